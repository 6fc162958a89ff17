//! Hands a mail to a mail server by SMTP (RFC 5321).
//!
//! Each mail has a connection of its own, because the server may have closed an idle one. Each
//! phase has a time limit of its own. A mail is sent once the server has accepted it: the answer to
//! QUIT changes nothing.

use std::{error::Error as _, io, iter::successors, time::Duration};

use lettre::{
    Address, Message,
    address::Envelope,
    transport::smtp::{
        Error,
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};
use tokio::time::timeout;

use super::send_error::SendError;
use crate::domain::percent::percent_decoded;

/// Maximum time that the mail server takes to complete a connection, and to answer one command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(20);
/// Maximum time that the mail server takes to accept the content of a mail. A server that scans a
/// mail takes longer than for a command; a client that does not wait sends the mail again.
const CONTENT_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum time that a mail takes. A server may answer each command in time and still take long.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(90);

/// A mail server, with credentials: `smtp://`, `smtps://` or `starttls://`. Never printed.
#[derive(Clone)]
pub struct MailUrl {
    host: String,
    port: u16,
    security: Security,
    credentials: Option<Credentials>,
    hello: ClientId,
}

#[derive(Clone)]
enum Security {
    None,
    StartTls(TlsParameters),
    /// TLS from the first byte.
    Tls(TlsParameters),
}

impl MailUrl {
    /// Parses a URL.
    ///
    /// # Errors
    /// What is wrong, without the URL.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once("://").ok_or("must start with smtps://")?;
        if rest.contains('?') || rest.contains('#') {
            return Err("takes no parameters; write ? and # in a password as %3F and %23".into());
        }
        const MALFORMED: &str = "is not a URL such as smtps://user:password@mail.example.com";
        let default_port = match scheme {
            "smtp" => 25,
            "starttls" => 587,
            "smtps" => 465,
            _ => return Err("must start with smtps://, starttls:// or smtp://".into()),
        };
        // The error of the library may quote the URL.
        let url = reqwest::Url::parse(text).map_err(|_| MALFORMED)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(MALFORMED)?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let tls = || TlsParameters::new(host.clone()).map_err(|_| MALFORMED);
        let security = match scheme {
            "smtp" => Security::None,
            "starttls" => Security::StartTls(tls()?),
            _ => Security::Tls(tls()?),
        };
        let credentials = match url.password() {
            Some(password) => {
                let user = percent_decoded(url.username())?;
                Some(Credentials::new(user, percent_decoded(password)?))
            }
            None if url.username().is_empty() => None,
            None => return Err("has a user without a password".into()),
        };
        let hello = match url.path().trim_matches('/') {
            "" => ClientId::default(),
            name => ClientId::Domain(name.to_owned()),
        };
        let port = url.port().unwrap_or(default_port);
        Ok(Self { host, port, security, credentials, hello })
    }

    /// Hands over a mail.
    ///
    /// # Errors
    /// If the server does not accept the mail in time.
    pub(super) async fn send(&self, message: &Message) -> Result<(), SendError> {
        let sent = timeout(SEND_TIMEOUT, self.send_on_new_connection(message)).await;
        let mut connection = sent.map_err(|_| SendError(took_too_long()))??;
        // Sends QUIT. The mail is accepted already, so the caller does not wait.
        tokio::spawn(async move { timeout(COMMAND_TIMEOUT, connection.abort()).await });
        Ok(())
    }

    async fn send_on_new_connection(
        &self,
        message: &Message,
    ) -> Result<AsyncSmtpConnection, SendError> {
        let mut connection = self.connect().await?;
        match hand_over(&mut connection, message.envelope(), &message.formatted()).await {
            Ok(()) => Ok(connection),
            Err(why) => {
                // Without QUIT, some servers count the connection as an attack.
                tokio::spawn(async move { timeout(COMMAND_TIMEOUT, connection.abort()).await });
                Err(why)
            }
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, SendError> {
        let Self { host, port, security, credentials, hello } = self;
        let tls = if let Security::Tls(tls) = security { Some(tls.clone()) } else { None };
        let address = (host.as_str(), *port);
        let connect =
            AsyncSmtpConnection::connect_tokio1(address, Some(COMMAND_TIMEOUT), hello, tls, None);
        let mut connection = in_time(COMMAND_TIMEOUT, connect).await?;
        if let Security::StartTls(tls) = security {
            if !connection.can_starttls() {
                return Err(SendError("the mail server does not offer STARTTLS".into()));
            }
            in_time(COMMAND_TIMEOUT, connection.starttls(tls.clone(), hello)).await?;
        }
        if let Some(credentials) = credentials {
            let auth = connection.auth(DEFAULT_MECHANISMS, credentials);
            in_time(COMMAND_TIMEOUT, auth).await?;
        }
        Ok(connection)
    }
}

impl std::fmt::Debug for MailUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MailUrl(redacted)")
    }
}

/// Hands over the envelope and the content of a mail.
async fn hand_over(
    connection: &mut AsyncSmtpConnection,
    envelope: &Envelope,
    content: &[u8],
) -> Result<(), SendError> {
    let parameters = mail_parameters(connection, envelope, content)?;
    let mail = Mail::new(envelope.from().cloned(), parameters);
    in_time(COMMAND_TIMEOUT, connection.command(mail)).await?;
    for to in envelope.to() {
        let recipient = Rcpt::new(to.clone(), Vec::new());
        in_time(COMMAND_TIMEOUT, connection.command(recipient)).await?;
    }
    in_time(COMMAND_TIMEOUT, connection.command(Data)).await?;
    in_time(CONTENT_TIMEOUT, connection.message(content)).await.map(drop)
}

/// Returns what the mail asks of the server beyond ASCII (RFC 6531, RFC 6152).
fn mail_parameters(
    connection: &AsyncSmtpConnection,
    envelope: &Envelope,
    content: &[u8],
) -> Result<Vec<MailParameter>, SendError> {
    let mut parameters = Vec::new();
    if !envelope.from().into_iter().chain(envelope.to()).all(is_ascii) {
        require(connection, Extension::SmtpUtfEight, "SMTPUTF8")?;
        parameters.push(MailParameter::SmtpUtfEight);
    }
    if !content.is_ascii() {
        require(connection, Extension::EightBitMime, "8BITMIME")?;
        parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(parameters)
}

fn is_ascii(address: &Address) -> bool {
    AsRef::<str>::as_ref(address).is_ascii()
}

fn require(
    connection: &AsyncSmtpConnection,
    extension: Extension,
    name: &str,
) -> Result<(), SendError> {
    if connection.server_info().supports_feature(extension) {
        return Ok(());
    }
    Err(SendError(format!("the mail server does not offer {name}, which this mail needs")))
}

async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, SendError> {
    match timeout(limit, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(why)) => Err(SendError(reason(&why))),
        Err(_) => Err(SendError("the mail server did not answer in time".into())),
    }
}

fn took_too_long() -> String {
    format!("the mail server took more than {} s", SEND_TIMEOUT.as_secs())
}

/// Returns the reason of a failure. The texts of servers may quote the address of the recipient, so
/// only the code of the answer (RFC 5321 section 4.2) is kept.
fn reason(why: &Error) -> String {
    match why.status() {
        Some(code) => format!("the mail server answered {code}"),
        None if why.is_timeout() => "the mail server did not answer in time".into(),
        None if is_tls(why) => "TLS to the mail server failed".into(),
        None if why.is_response() => "the mail server closed the connection, or its answer is \
                                      malformed"
            .into(),
        None if why.is_client() => {
            "the mail server offers neither PLAIN nor LOGIN to log in".into()
        }
        None => "no connection to the mail server".into(),
    }
}

/// Returns whether a handshake failed. The library has no kind of error for that.
fn is_tls(why: &Error) -> bool {
    let source: Option<&dyn std::error::Error> = why.source();
    let sources = successors(source, |source| (*source).source());
    let io_errors = sources.filter_map(|source| source.downcast_ref::<io::Error>());
    why.is_tls() || io_errors.map(io::Error::kind).any(|kind| kind == io::ErrorKind::InvalidData)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_url_are_read() {
        let url = MailUrl::parse("smtps://mailer:p%40ss%2F@mail.example.com").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("mail.example.com", 465));
        assert_eq!(url.credentials, Some(Credentials::new("mailer".into(), "p@ss/".into())));
        assert!(matches!(url.security, Security::Tls(_)));
        let url = MailUrl::parse("starttls://[::1]:2525/client.example.com").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("::1", 2525));
        assert_eq!(url.hello, ClientId::Domain("client.example.com".into()));
        assert!(matches!(url.security, Security::StartTls(_)));
        let url = MailUrl::parse("smtp://127.0.0.1").unwrap();
        assert_eq!((url.port, url.credentials), (25, None));
        assert_eq!(format!("{:?}", MailUrl::parse("smtp://127.0.0.1")), "Ok(MailUrl(redacted))");
    }

    #[test]
    fn malformed_url_is_refused_and_not_repeated() {
        for bad in [
            "",
            "mail.example.com",
            "http://u:s3cret@mail.example.com",
            "smtps://",
            "smtp://u:s3cret@",
            "smtp://u:s3cret@mail.example.com:port",
            "smtp://u:s3cret@mail.example.com?tls=none",
            "smtp://s3cret@mail.example.com",
            "smtp://u:s3cret%zz@mail.example.com",
        ] {
            let why = MailUrl::parse(bad).unwrap_err();
            assert!(!why.contains("s3cret"), "{why}");
        }
    }
}
