//! The ways to hand over a mail: to a mail server, or to a file.

use std::{
    io,
    path::{Path, PathBuf},
};

use lettre::Message;

use super::{send_error::SendError, smtp::MailUrl};
use crate::keys::{create_private_folder, write_once};

/// A way to hand over mails.
pub enum Transport {
    /// To a mail server.
    Smtp(MailUrl),
    /// To `.eml` files in this folder.
    Files(PathBuf),
}

impl Transport {
    /// Hands over a mail.
    ///
    /// # Errors
    /// If the server does not accept the mail in time, or the file cannot be written.
    pub async fn send(&self, id: &str, message: Message) -> Result<(), SendError> {
        match self {
            Self::Smtp(server) => server.send(&message).await,
            Self::Files(folder) => {
                let written = write_file(folder, id, &message.formatted());
                written.map_err(|why| {
                    SendError(format!("cannot write to {}: {why}", folder.display()))
                })
            }
        }
    }
}

/// Writes a mail to a file that only this user can read, because it may contain a code.
fn write_file(folder: &Path, id: &str, text: &[u8]) -> io::Result<()> {
    create_private_folder(folder)?;
    // A file that exists is an earlier attempt for the same mail.
    write_once(&folder.join(format!("{id}.eml")), text).map(drop)
}
