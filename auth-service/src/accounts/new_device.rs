//! Mails a user a login from a device and a client address that the user has not used before.

use shared::claims::SessionId;

use super::Accounts;
use crate::{
    domain::{mail::MailMessage, session::Origin, time::for_people},
    store::{
        audit::{self, LoginHistory},
        users::User,
    },
};

impl Accounts {
    /// Mails a user a login of a client that the throttle does not know. The audit trail is read
    /// too, because the throttle forgets addresses, for example when Redis loses its data. The
    /// first login of a user is not mailed.
    ///
    /// Returns before the database has the mail. The mail contains no user agent, because a client
    /// can put any text there.
    pub(super) fn mail_new_device(&self, user: &User, sid: SessionId, origin: &Origin) {
        let Some(address) = origin.ip.clone() else { return };
        let notices = self.notices();
        let user = user.clone();
        let at_ms = self.clock.now_ms();
        self.after_answer.run(async move {
            let (id, sid, ip) = (user.id, sid.to_string(), address.clone());
            let read = move |connection: &mut _| {
                audit::login_history(connection, &id.to_string(), &sid, &ip)
            };
            // The log has the reason of a failure.
            let Ok(history) = notices.store.run(read).await else { return };
            if history != (LoginHistory { has_earlier: true, has_earlier_from_address: false }) {
                return;
            }
            let message = MailMessage::NewDevice { at: for_people(at_ms), address };
            notices.write(user, message).await;
        });
    }
}
