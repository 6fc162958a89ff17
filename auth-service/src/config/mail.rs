//! Settings of mail.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use service_kit::settings::{http_url, positive_seconds};

use super::secret_url::{SecretUrl, UrlFile, in_file};
use crate::jobs::mail::{MailUrl, Mailbox};

/// Settings of mail.
#[derive(Args, Clone, Debug)]
pub struct MailSettings {
    /// Mail server: smtps://user:password@host, starttls://… or smtp://… without TLS. Unset: mails
    /// are files in the folder mail of the data folder
    #[arg(
        id = "mail_url",
        long = "mail-url",
        env = "MAIL_URL",
        value_name = "URL",
        group = "mail_server",
        hide_env_values = true,
        value_parser = mail_url
    )]
    pub url: Option<SecretUrl>,

    /// File that contains MAIL_URL
    #[arg(
        id = "mail_url_file",
        long = "mail-url-file",
        env = "MAIL_URL_FILE",
        value_name = "FILE",
        group = "mail_server",
        value_parser = in_file(mail_url)
    )]
    pub url_in_file: Option<UrlFile>,

    /// Sender of mails: an address, or a name and an address: Example <no-reply@example.com>
    #[arg(
        id = "mail_from",
        long = "mail-from",
        env = "MAIL_FROM",
        value_name = "ADDRESS",
        value_parser = Mailbox::parse
    )]
    pub from: Option<Mailbox>,

    /// Folder of templates that replace those of mails, such as verify_email.en.txt
    #[arg(
        id = "mail_templates",
        long = "mail-templates",
        env = "MAIL_TEMPLATES",
        value_name = "FOLDER"
    )]
    pub templates: Option<PathBuf>,

    /// Time after which a mail that cannot be sent is given up, in seconds
    #[arg(
        id = "mail_give_up",
        long = "mail-give-up",
        env = "MAIL_GIVE_UP",
        value_name = "SECONDS",
        default_value = "172800",
        value_parser = positive_seconds
    )]
    pub give_up: Duration,

    /// URL of the pages to which mails link. Unset: ISSUER
    #[arg(long, env = "ACCOUNT_URL", value_name = "URL", value_parser = http_url)]
    pub account_url: Option<String>,

    /// Name of the product in mails and on pages. Unset: the host of ISSUER
    #[arg(long, env = "PRODUCT_NAME", value_name = "NAME", value_parser = product_name)]
    pub product_name: Option<String>,
}

impl MailSettings {
    /// Returns the mail server. `None`: mails are files.
    pub fn url(&self) -> Option<MailUrl> {
        let in_file = self.url_in_file.as_ref().map(|file| &file.url);
        let url = self.url.as_ref().or(in_file)?;
        Some(MailUrl::parse(url.reveal()).expect("a URL that was parsed before"))
    }

    /// Returns the file that the URL was read from.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        self.url_in_file.as_ref().map(|file| file.file.clone())
    }
}

fn mail_url(text: &str) -> Result<SecretUrl, String> {
    MailUrl::parse(text).map(|_| SecretUrl::new(text))
}

/// Parses a name that stands in texts and, in templates of the operator, in subjects.
fn product_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err("must be one line of text".into());
    }
    Ok(name.to_owned())
}
