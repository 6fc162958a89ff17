//! Mail: the settings, and a mail that shows that they work.

use std::time::Duration;

use shared::clock::Clock;
use uuid::Uuid;

use super::finding::Finding;
use crate::{
    app::mailer_settings,
    config::Settings,
    domain::{
        account_rules::EmailVerification,
        language::Language,
        mail::{Mail, MailMessage},
    },
    jobs::mail::{MailAddress, Mailer},
};

/// Longest time after which mails are given up that needs no advice. A mail server that was away
/// over a weekend still gets the mails.
const SHORT_GIVE_UP: Duration = Duration::from_secs(86400);

/// Checks the settings. Sends a mail if `to` is an address.
pub async fn check(settings: &Settings, to: Option<&MailAddress>) -> Vec<Finding> {
    let mailer = match mailer_settings(settings) {
        Ok(mailer) => Mailer::new(mailer),
        Err(why) => {
            let remedy = "Correct the file, or remove it to get the text of this program.";
            return vec![Finding::wrong("mail", why.to_string(), remedy)];
        }
    };
    let mut findings = vec![check_settings(settings)];
    if let Some(to) = to {
        findings.push(send(&mailer, to).await);
    }
    findings
}

fn check_settings(settings: &Settings) -> Finding {
    if settings.mail.url().is_none() {
        let folder = settings.data_dir.join("mail");
        let state = format!("mails are files in {}", folder.display());
        if settings.database.url().is_none() {
            return Finding::fine("mail", state);
        }
        if settings.verification.mode == EmailVerification::Required {
            let remedy = "Set MAIL_URL (or MAIL_URL_FILE) and MAIL_FROM: with \
                          EMAIL_VERIFICATION=required, a new user cannot log in without a mail.";
            return Finding::wrong("mail", state, remedy);
        }
        let remedy =
            "Set MAIL_URL (or MAIL_URL_FILE) and MAIL_FROM, so that users get their mails.";
        return Finding::advice("mail", state, remedy);
    }
    if settings.mail.give_up < SHORT_GIVE_UP {
        let state = "mails that cannot be sent are given up in less than a day (MAIL_GIVE_UP)";
        return Finding::advice("mail", state, "Set MAIL_GIVE_UP to 172800, two days.");
    }
    let state = "mails go to the mail server; `doctor --mail ADDRESS` sends one";
    Finding::fine("mail", state)
}

async fn send(mailer: &Mailer, to: &MailAddress) -> Finding {
    let mail = Mail {
        to: to.to_string(),
        language: Language::default(),
        username: "operator".into(),
        message: MailMessage::Test,
    };
    let id = Uuid::now_v7().to_string();
    match mailer.send(&id, Clock::system().now_ms(), &mail).await {
        Ok(()) => Finding::fine("mail", format!("a mail to {to} was accepted")),
        Err(why) => Finding::wrong(
            "mail",
            format!("a mail to {to} was not accepted: {why}"),
            "Check MAIL_URL and MAIL_FROM, and that this machine may send mail to the server.",
        ),
    }
}
