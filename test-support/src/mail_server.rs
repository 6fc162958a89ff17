//! A mail server that keeps the mails it accepts, and fails when the test says so.

use std::{path::Path, sync::Mutex};

use serde::Deserialize;

use crate::{Certificates, Python, wait_until};

/// A running mail server (aiosmtpd).
pub struct MailServer {
    program: Mutex<Python>,
    port: u16,
}

/// A mail that the server accepted.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names of a mail's parts")]
pub struct ReceivedMail {
    pub to: Vec<String>,
    pub subject: String,
    pub message_id: String,
    pub headers: std::collections::BTreeMap<String, String>,
    /// The names of the headers, in their order.
    pub names: Vec<String>,
    /// The mail as it was sent.
    pub raw: String,
    pub text: String,
    pub html: String,
}

impl MailServer {
    /// The phases of a mail in which the server can fail, in their order: `connect` is before the
    /// greeting, `data` answers the command DATA, `message` answers the final dot. `starttls` and
    /// `auth` need a URL that asks for them: [`MailServer::url_for`].
    pub const PHASES: [&str; 9] =
        ["connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "message", "quit"];

    /// Starts a server.
    pub fn start() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mail_server");
        let mut program = Python::start(folder.join("smtp_server.py"));
        let port = program.ask("port").as_u64().unwrap() as u16;
        Self { program: Mutex::new(program), port }
    }

    /// Returns the server's URL, for `MAIL_URL`.
    pub fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// Returns a URL with which a client passes through a phase.
    pub fn url_for(&self, phase: &str) -> String {
        match phase {
            "starttls" => format!("starttls://127.0.0.1:{}", self.port),
            "auth" => format!("smtp://mailer:p%40ss%20word@127.0.0.1:{}", self.port),
            _ => self.url(),
        }
    }

    /// Returns the URL of a server with which no connection is completed.
    pub fn unreachable_url(&self) -> String {
        let port = self.program.lock().unwrap().ask("full-port");
        format!("smtp://127.0.0.1:{port}")
    }

    /// Makes the server fail in this way from now on: `hang-PHASE`, `refuse-PHASE`, `drop-PHASE`
    /// with one of [`MailServer::PHASES`]; `greylist`; `away`; or `none`.
    pub fn set_fault(&self, name: &str) {
        self.program.lock().unwrap().ask(&format!("fault {name}"));
    }

    /// Returns the mails that the server has accepted.
    pub fn mails(&self) -> Vec<ReceivedMail> {
        serde_json::from_value(self.program.lock().unwrap().ask("mails")).unwrap()
    }

    /// Returns how often a fault has struck a client.
    pub fn struck(&self) -> u64 {
        self.program.lock().unwrap().ask("struck").as_u64().unwrap()
    }

    /// Presents a certificate from now on to a client that asks for TLS.
    pub fn set_certificates(&self, certificates: &Certificates) {
        let [certificate, key] =
            [certificates.certificate(), certificates.key()].map(|file| file.display().to_string());
        self.program.lock().unwrap().ask(&format!("certificate {certificate} {key}"));
    }

    /// Returns the number of mails that the server has accepted.
    pub fn count(&self) -> usize {
        self.program.lock().unwrap().ask("count").as_u64().unwrap() as usize
    }

    /// Returns the Message-ID of each mail that the server has accepted.
    pub fn message_ids(&self) -> Vec<String> {
        serde_json::from_value(self.program.lock().unwrap().ask("ids")).unwrap()
    }

    /// Waits for a mail to this address with this subject, and returns the last of them.
    pub async fn wait_for(&self, to: &str, subject: &str) -> ReceivedMail {
        let is_wanted = |mail: &ReceivedMail| {
            mail.to.iter().any(|address| address == to) && mail.subject == subject
        };
        wait_until(format!("a mail to {to}: {subject}"), async || {
            self.mails().into_iter().rfind(is_wanted)
        })
        .await
    }
}

impl ReceivedMail {
    /// Returns the code in the text, in the form XXXX-XXXX-XXXX.
    ///
    /// # Panics
    /// If the text has no line with a code.
    pub fn code(&self) -> String {
        let is_code = |line: &&str| line.len() == 14 && line.matches('-').count() == 2;
        let code = self.text.lines().map(str::trim).find(is_code);
        code.unwrap_or_else(|| panic!("no code in {}", self.text)).to_owned()
    }

    /// Returns the link in the text.
    ///
    /// # Panics
    /// If the text has no line with a link.
    pub fn link(&self) -> String {
        let link = self.text.lines().map(str::trim).find(|line| line.starts_with("http"));
        link.unwrap_or_else(|| panic!("no link in {}", self.text)).to_owned()
    }
}
