//! Turns a mail into a message (RFC 5322) and hands it over.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Mailbox as LettreMailbox, MultiPart,
        header::{Header, HeaderName, HeaderValue},
    },
};

use super::{SendError, Templates, Transport};
use crate::domain::mail::Mail;

/// Sender of mails: an address, with or without a name. The domain of the address is in ASCII,
/// because it is also in the Message-ID.
#[derive(Clone, Debug)]
pub struct Mailbox(LettreMailbox);

impl Mailbox {
    /// Parses a mailbox (RFC 5322 section 3.4).
    ///
    /// # Errors
    /// What is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.chars().any(char::is_control) {
            return Err("must not have line breaks or other control characters".into());
        }
        const MALFORMED: &str = "must be an address, or: Name <address>";
        let LettreMailbox { name, email } = text.parse().map_err(|_| MALFORMED)?;
        let MailAddress(email) = MailAddress::parse(email.as_ref()).map_err(|_| MALFORMED)?;
        Ok(Self(LettreMailbox { name, email }))
    }
}

/// Address of a recipient. Its domain is in ASCII, so that only an address with other characters
/// before the @ needs a server with SMTPUTF8 (RFC 6531).
#[derive(Clone, Debug)]
pub struct MailAddress(Address);

impl MailAddress {
    /// Parses an address.
    ///
    /// # Errors
    /// If it is malformed. The text does not contain the address.
    pub fn parse(text: &str) -> Result<Self, String> {
        let malformed = || "the address is malformed".to_owned();
        let (user, domain) = text.rsplit_once('@').ok_or_else(malformed)?;
        let domain = idna::domain_to_ascii(domain).map_err(|_| malformed())?;
        Address::new(user, domain).map(Self).map_err(|_| malformed())
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a mailer needs.
pub struct MailerSettings {
    pub transport: Transport,
    pub templates: Templates,
    pub from: Mailbox,
    /// Whether the log names the link of a mail. Only where mails are files on the machine of the
    /// developer who reads the log.
    pub logs_links: bool,
}

/// Renders mails and hands them over.
pub struct Mailer(MailerSettings);

impl Mailer {
    pub fn new(settings: MailerSettings) -> Self {
        Self(settings)
    }

    /// Hands over a mail. The same `id` and `created_at_ms` give the same message, so a mail that
    /// is handed over twice is recognised by its Message-ID.
    ///
    /// # Errors
    /// If the mail cannot be handed over now.
    pub async fn send(&self, id: &str, created_at_ms: i64, mail: &Mail) -> Result<(), SendError> {
        let message = self.message(id, created_at_ms, mail)?;
        self.0.transport.send(id, message).await?;
        if let (Transport::Files(folder), true) = (&self.0.transport, self.0.logs_links) {
            let file = folder.join(format!("{id}.eml"));
            let link = self.0.templates.link(mail);
            log::info!("mail {}: {} ({link})", mail.message.topic(), file.display());
        }
        Ok(())
    }

    fn message(&self, id: &str, created_at_ms: i64, mail: &Mail) -> Result<Message, SendError> {
        let rendered = self
            .0
            .templates
            .render(mail)
            .map_err(|why| SendError(format!("a template failed: {why}")))?;
        let MailAddress(to) = MailAddress::parse(&mail.to).map_err(SendError)?;
        let domain = self.0.from.0.email.domain();
        let created = Duration::from_millis(created_at_ms.max(0) as u64);
        // The library would otherwise read the envelope from the headers, where it refuses some
        // quoted addresses.
        let envelope = Envelope::new(Some(self.0.from.0.email.clone()), vec![to.clone()])
            .map_err(|why| SendError(format!("the mail cannot be addressed: {why}")))?;
        Message::builder()
            .envelope(envelope)
            .from(self.0.from.0.clone())
            .to(LettreMailbox::new(None, to))
            .subject(&rendered.subject)
            .date(SystemTime::UNIX_EPOCH + created)
            .message_id(Some(format!("<{id}@{domain}>")))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(rendered.text, rendered.html))
            .map_err(|why| SendError(format!("the mail cannot be written: {why}")))
    }
}

/// Tells mail programs not to answer this mail automatically (RFC 3834 section 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{language::Language, mail::MailMessage};

    fn mailer() -> Mailer {
        Mailer::new(MailerSettings {
            transport: Transport::Files("unused".into()),
            templates: Templates::load(None, "Shop", "https://auth.example.com").unwrap(),
            from: Mailbox::parse("Shop <shop@example.com>").unwrap(),
            logs_links: false,
        })
    }

    fn formatted(to: &str) -> Option<String> {
        let mail = Mail {
            to: to.to_owned(),
            language: Language::De,
            username: "ada".into(),
            message: MailMessage::Test,
        };
        let message = mailer().message("id-1", 1_700_000_000_000, &mail).ok()?;
        Some(String::from_utf8(message.formatted()).unwrap())
    }

    #[test]
    fn message_has_the_headers_of_an_automatic_mail() {
        let text = formatted("ada@example.com").unwrap();
        for line in [
            "From: Shop <shop@example.com>\r\n",
            "To: ada@example.com\r\n",
            "Message-ID: <id-1@example.com>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n",
            "Content-Type: multipart/alternative;",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }

    #[test]
    fn domain_in_other_scripts_is_sent_in_ascii() {
        let text = formatted("ada@exämple.de").unwrap();
        assert!(text.contains("To: ada@xn--exmple-cua.de\r\n"), "{text}");
    }

    #[test]
    fn address_cannot_add_headers() {
        for address in ["ada@example.com\r\nBcc: eve@example.com", "a\nb@example.com", "", "ada"] {
            assert_eq!(formatted(address), None, "{address:?}");
        }
    }

    #[test]
    fn quoted_address_is_sent() {
        for to in ["\"ada,lovelace\"@example.com", "\"ada,<b>;lovelace\"@example.com"] {
            let text = formatted(to).unwrap();
            assert!(text.contains(&format!("To: {to}\r\n")), "{text}");
        }
    }
}
