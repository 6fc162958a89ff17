//! One attempt to send a message over HTTP.

use std::{error::Error, net::IpAddr, time::Duration};

use reqwest::{Client, StatusCode, header::CONTENT_TYPE, redirect::Policy};

use super::guard::{AddressPolicy, AddressRefused, GuardedResolver, Lookup, system_lookup};
use crate::domain::webhook::WebhookUrl;

/// Maximum time of an attempt, from the look-up of the name to the head of the answer.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(15);

/// Error returned when a receiver did not accept a message. The text is for an operator, and
/// contains no content of the message or the answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error(transparent)]
    Refused(#[from] AddressRefusedError),
    #[error("the URL is not on https: see WEBHOOK_PRIVATE_ADDRESSES")]
    NotEncrypted,
    #[error("TLS cannot be set up: this machine may lack certificates of authorities")]
    NoTls,
    #[error("the receiver did not answer within {} s", SEND_TIMEOUT.as_secs())]
    Timeout,
    #[error("no connection to the receiver")]
    NoConnection,
    #[error("the receiver answered {0}")]
    Status(u16),
    #[error("the receiver did not answer")]
    NoAnswer,
}

/// As [`AddressRefused`].
#[derive(Debug, thiserror::Error)]
#[error("{}", AddressRefused)]
pub struct AddressRefusedError;

/// A message with its headers.
pub struct SignedMessage<'a> {
    pub id: &'a str,
    /// Time of the attempt, in seconds since the Unix epoch.
    pub timestamp: i64,
    pub signature: String,
    pub body: String,
}

/// Sends messages.
pub struct Sender {
    /// `None` if TLS cannot be set up, as on a machine without certificates of authorities. Then no
    /// message is sent, and the service does all else.
    client: Option<Client>,
    allows: fn(IpAddr) -> bool,
    needs_encryption: bool,
}

impl Sender {
    /// Creates a sender.
    pub fn new(policy: AddressPolicy) -> Self {
        let allows: fn(IpAddr) -> bool = match policy {
            AddressPolicy::PublicOnly => |address| AddressPolicy::PublicOnly.allows(address),
            AddressPolicy::PublicAndPrivate => {
                |address| AddressPolicy::PublicAndPrivate.allows(address)
            }
        };
        Self::with(system_lookup(), allows, policy == AddressPolicy::PublicOnly)
    }

    fn with(lookup: Lookup, allows: fn(IpAddr) -> bool, needs_encryption: bool) -> Self {
        let client = Client::builder()
            .dns_resolver(GuardedResolver { lookup, allows })
            // A proxy would look the name up itself.
            .no_proxy()
            .redirect(Policy::none())
            // Each attempt connects anew, so that its address is checked.
            .pool_max_idle_per_host(0)
            .timeout(SEND_TIMEOUT)
            .user_agent(concat!("auth-service/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { client: client.ok(), allows, needs_encryption }
    }

    /// Sends a message. An answer that is not 2xx is an error. The body of the answer is not read.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(
        &self,
        url: &WebhookUrl,
        message: SignedMessage<'_>,
    ) -> Result<StatusCode, SendError> {
        self.check(url)?;
        let client = self.client.as_ref().ok_or(SendError::NoTls)?;
        let SignedMessage { id, timestamp, signature, body } = message;
        let request = client
            .post(url.url().clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body);
        let answer = request.send().await.map_err(|why| send_error(&why))?;
        let status = answer.status();
        if status.is_success() { Ok(status) } else { Err(SendError::Status(status.as_u16())) }
    }

    /// Checks what the resolver does not see: a URL with an address instead of a name.
    fn check(&self, url: &WebhookUrl) -> Result<(), SendError> {
        if self.needs_encryption && !url.is_encrypted() {
            return Err(SendError::NotEncrypted);
        }
        let host = url.url().host_str().unwrap_or_default();
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(address) if !(self.allows)(address) => Err(AddressRefusedError.into()),
            _ => Ok(()),
        }
    }
}

fn send_error(error: &reqwest::Error) -> SendError {
    let mut source: Option<&dyn Error> = Some(error);
    while let Some(why) = source {
        if why.is::<AddressRefused>() {
            return AddressRefusedError.into();
        }
        source = why.source();
    }
    if error.is_timeout() {
        SendError::Timeout
    } else if error.is_connect() {
        SendError::NoConnection
    } else {
        SendError::NoAnswer
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{Ipv4Addr, TcpListener},
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use super::*;

    fn message() -> SignedMessage<'static> {
        SignedMessage { id: "id", timestamp: 1, signature: "v1,x".into(), body: "{}".into() }
    }

    /// Starts a server on all addresses of this machine that answers each request with 204. Returns
    /// its port and the number of its connections.
    fn start_server() -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
            }
        });
        (port, connections)
    }

    /// In this test 127.0.0.2 is an address of the internet.
    fn allows_second_loopback(address: IpAddr) -> bool {
        address == Ipv4Addr::new(127, 0, 0, 2)
    }

    #[tokio::test]
    async fn name_that_resolves_to_a_private_address_at_the_second_attempt_is_refused() {
        let (port, connections) = start_server();
        let attempts = AtomicUsize::new(0);
        let lookup: Lookup = Arc::new(move |host| {
            assert_eq!(host, "receiver.example");
            let last = if attempts.fetch_add(1, Ordering::SeqCst) == 0 { 2 } else { 1 };
            Ok(vec![IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))])
        });
        let sender = Sender::with(lookup, allows_second_loopback, false);
        let url = WebhookUrl::parse(&format!("http://receiver.example:{port}/")).unwrap();
        assert_eq!(sender.send(&url, message()).await.unwrap(), StatusCode::NO_CONTENT);
        let why = sender.send(&url, message()).await.unwrap_err();
        assert!(matches!(why, SendError::Refused(_)), "{why}");
        assert_eq!(connections.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn private_addresses_and_plain_http_are_refused() {
        let sender = Sender::new(AddressPolicy::PublicOnly);
        for url in [
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://0x7f.1/",
            "https://2130706433/",
            "https://169.254.169.254/latest/meta-data",
            "https://localhost/",
        ] {
            let url = WebhookUrl::parse(url).unwrap();
            let why = sender.send(&url, message()).await.unwrap_err();
            assert!(matches!(why, SendError::Refused(_)), "{}: {why}", url.as_str());
        }
        let url = WebhookUrl::parse("http://example.com/").unwrap();
        let why = sender.send(&url, message()).await.unwrap_err();
        assert!(matches!(why, SendError::NotEncrypted), "{why}");
        let sender = Sender::new(AddressPolicy::PublicAndPrivate);
        let url = WebhookUrl::parse("http://169.254.169.254/").unwrap();
        let why = sender.send(&url, message()).await.unwrap_err();
        assert!(matches!(why, SendError::Refused(_)), "{why}");
    }
}
