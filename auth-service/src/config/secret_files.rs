//! The files that hold secrets.

use std::path::PathBuf;

use service_kit::{CommandError, secret_file};

use super::Settings;

impl Settings {
    /// Returns the files that hold secrets, each with its setting.
    pub(crate) fn secret_files(&self) -> Vec<(&'static str, PathBuf)> {
        [
            ("SECRET_KEY_FILE", Some(self.secret_key_file())),
            ("DATABASE_URL_FILE", self.database.file()),
            ("REDIS_URL_FILE", self.redis.file()),
            ("REDIS_KEY_FILE", self.redis.key_file.clone()),
            ("MAIL_URL_FILE", self.mail.file()),
        ]
        .into_iter()
        .filter_map(|(setting, file)| Some((setting, file?)))
        .collect()
    }

    /// Checks that other users of this machine can neither read nor change the files that hold
    /// secrets.
    ///
    /// # Errors
    /// One line that names the file, its mode, and the command that repairs it.
    pub(crate) fn check_secret_files(&self) -> Result<(), CommandError> {
        self.secret_files().into_iter().try_for_each(|(setting, file)| {
            secret_file::check_mode(&file)
                .map_err(|why| CommandError::new(format!("{} ({setting}) {why}", file.display())))
        })
    }
}
