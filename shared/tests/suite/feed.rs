//! The revocation feed over HTTP: outages, events that cannot be parsed, and the start.
#![cfg(feature = "testing")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use shared::{
    FetchError, Verifier, VerifyError,
    claims::SessionId,
    revocations::{Feed, OutagePolicy},
    testing::TestIssuer,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::timeout,
};

/// What a feed sends once its connection is open.
const CAUGHT_UP: &str = "event: caught-up\ndata: {}\n\n";

/// A feed over HTTP. It sends the same text on each connection, and keeps the connection open.
struct FeedServer {
    url: String,
    /// Status, and the text of the feed so far. Connections close when the text is `None`.
    answer: watch::Sender<(u16, Option<String>)>,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl FeedServer {
    async fn start(status: u16, text: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/revocations", listener.local_addr().unwrap());
        let server = Self {
            url,
            answer: watch::Sender::new((status, Some(text.into()))),
            connections: Arc::default(),
            requests: Arc::default(),
        };
        let answers = server.answer.subscribe();
        let (connections, requests) = (server.connections.clone(), server.requests.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, answers.clone(), requests.clone()));
            }
        });
        server
    }

    /// Sends a text after what the open connections have received, and on each new connection.
    fn send(&self, text: &str) {
        self.answer.send_modify(|(_, sent)| sent.get_or_insert_default().push_str(text));
    }

    /// Closes the open connections, and each new one at once.
    fn close(&self) {
        self.answer.send_modify(|(_, sent)| *sent = None);
    }

    fn verifier(&self, issuer: &TestIssuer, policy: OutagePolicy) -> Verifier {
        let feed = Feed {
            url: self.url.clone(),
            client_id: "reports-api".into(),
            client_secret: "very-secret".into(),
        };
        Verifier::builder("http://issuer.test")
            .audience("api")
            .clock(issuer.clock().clone())
            .revocations(feed, policy)
            .build_with_keys(&issuer.jwks())
    }
}

async fn serve(
    mut stream: TcpStream,
    mut answers: watch::Receiver<(u16, Option<String>)>,
    requests: Arc<Mutex<Vec<String>>>,
) {
    let mut buffer = [0; 4096];
    // A client may send several requests on a connection.
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
        requests.lock().unwrap().push(request);
        let (status, sent) = answers.borrow().clone();
        if sent.is_none() {
            return;
        }
        if status != 200 {
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            continue;
        }
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        let _ = stream.write_all(head.as_bytes()).await;
        let mut position = 0;
        loop {
            let (_, text) = answers.borrow_and_update().clone();
            let Some(text) = text else { return };
            let _ = stream.write_all(&text.as_bytes()[position..]).await;
            position = text.len();
            answers.changed().await.unwrap();
        }
    }
}

/// Waits until a condition holds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(30), holds).await.unwrap_or_else(|_| panic!("{what}"));
}

async fn until_current(verifier: &Verifier, is_current: bool) {
    until("the feed", || verifier.follows_revocations() == Some(is_current)).await;
}

fn revoked(sid: &str) -> String {
    format!("event: revoked\ndata: {{\"sid\":\"{sid}\",\"until\":9999999999}}\n\n")
}

#[tokio::test]
async fn the_time_without_the_feed_counts_from_the_last_event_not_from_the_detection() {
    let issuer = TestIssuer::new();
    let server = FeedServer::start(200, CAUGHT_UP).await;
    let verifier = server.verifier(&issuer, OutagePolicy::Bounded(Duration::from_secs(30)));
    until_current(&verifier, true).await;
    let token = issuer.token().lifetime_secs(600).mint();

    issuer.clock().advance(Duration::from_secs(29));
    assert!(verifier.verify(&token).await.is_ok());
    server.close();
    until_current(&verifier, false).await;
    assert!(verifier.verify(&token).await.is_ok());
    assert!(verifier.revocations().unwrap().silent_for >= Duration::from_secs(29));
    issuer.clock().advance(Duration::from_secs(1));
    assert_eq!(verifier.verify(&token).await, Err(VerifyError::RevocationsUnavailable));
    assert!(!verifier.is_ready());
}

#[tokio::test]
async fn an_event_or_a_comment_begins_the_time_anew() {
    let issuer = TestIssuer::new();
    let server = FeedServer::start(200, CAUGHT_UP).await;
    let verifier = server.verifier(&issuer, OutagePolicy::Bounded(Duration::from_secs(30)));
    until_current(&verifier, true).await;
    for text in [":\n\n", &revoked(&SessionId::generate().to_string())] {
        issuer.clock().advance(Duration::from_secs(29));
        assert!(verifier.revocations().unwrap().silent_for >= Duration::from_secs(29));
        server.send(text);
        until(text, || verifier.revocations().unwrap().silent_for < Duration::from_secs(29)).await;
    }
}

#[tokio::test]
async fn a_feed_that_falls_silent_is_left() {
    let issuer = TestIssuer::new();
    let server = FeedServer::start(200, CAUGHT_UP).await;
    let verifier = server.verifier(&issuer, OutagePolicy::Closed);
    until_current(&verifier, true).await;
    until_current(&verifier, false).await;
    let token = issuer.token().mint();
    assert_eq!(verifier.verify_with_known_keys(&token), Err(VerifyError::RevocationsUnavailable));
    let error = verifier.revocations().unwrap().last_error;
    assert_eq!(error, Some(FetchError::Silent(Duration::from_secs(5))));
    until_current(&verifier, true).await;
    assert_eq!(server.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_event_that_cannot_be_parsed_makes_the_verifier_not_current() {
    let sid = SessionId::generate();
    for bad in [
        revoked("no-uuid"),
        format!("event: revoked\ndata: {{\"sid\":\"{sid}\"}}\n\n"),
        "event: revoked\n\n".into(),
    ] {
        let issuer = TestIssuer::new();
        let server = FeedServer::start(200, CAUGHT_UP).await;
        let verifier = server.verifier(&issuer, OutagePolicy::Closed);
        let ended = issuer.token();
        let ended_sid = ended.claims.sid;
        let (ended, other) = (ended.mint(), issuer.token().mint());
        until_current(&verifier, true).await;
        server.send(&revoked(&ended_sid.to_string()));
        server.send(&bad);
        until_current(&verifier, false).await;
        let state = verifier.revocations().unwrap();
        assert_eq!(state.last_error, Some(FetchError::InvalidResponse), "{bad}");
        assert_eq!(verifier.verify(&ended).await, Err(VerifyError::Revoked), "{bad}");
        // Its session may be the one that the event names.
        let refused = verifier.verify(&other).await;
        assert_eq!(refused, Err(VerifyError::RevocationsUnavailable), "{bad}");
    }
}

#[tokio::test]
async fn an_event_of_another_name_is_ignored() {
    let issuer = TestIssuer::new();
    let server = FeedServer::start(200, CAUGHT_UP).await;
    let verifier = server.verifier(&issuer, OutagePolicy::Closed);
    until_current(&verifier, true).await;
    let ended = issuer.token();
    server.send("event: later-version\ndata: nonsense\n\n");
    server.send(&revoked(&ended.claims.sid.to_string()));
    let ended = ended.mint();
    until("the end", || verifier.verify_with_known_keys(&ended) == Err(VerifyError::Revoked)).await;
    assert_eq!(verifier.follows_revocations(), Some(true));
}

#[tokio::test]
async fn every_attempt_is_a_new_connection() {
    let issuer = TestIssuer::new();
    let server = FeedServer::start(503, "").await;
    let _verifier = server.verifier(&issuer, OutagePolicy::Closed);
    until("four requests", || server.requests.lock().unwrap().len() >= 4).await;
    assert!(server.connections.load(Ordering::SeqCst) >= 4);
}

#[tokio::test]
async fn every_policy_waits_for_the_past_at_the_start() {
    let policies = [
        OutagePolicy::UntilExpiry,
        OutagePolicy::Bounded(Duration::from_secs(3600)),
        OutagePolicy::Closed,
    ];
    for policy in policies {
        let issuer = TestIssuer::new();
        let server = FeedServer::start(200, "").await;
        let verifier = server.verifier(&issuer, policy);
        let ended = issuer.token();
        server.send(&revoked(&ended.claims.sid.to_string()));
        let (ended, other) = (ended.mint(), issuer.token().mint());
        until("the connection", || server.connections.load(Ordering::SeqCst) == 1).await;
        assert!(!verifier.is_ready(), "{policy}");
        let refused = verifier.verify(&other).await;
        assert_eq!(refused, Err(VerifyError::RevocationsUnavailable), "{policy}");

        server.send(CAUGHT_UP);
        until_current(&verifier, true).await;
        assert!(verifier.is_ready() && verifier.ready().await.is_ok(), "{policy}");
        assert_eq!(verifier.verify(&ended).await, Err(VerifyError::Revoked), "{policy}");
        assert!(verifier.verify(&other).await.is_ok(), "{policy}");
    }
}

#[tokio::test]
async fn only_until_expiry_accepts_tokens_if_the_past_does_not_arrive_in_time() {
    for (policy, accepts) in [
        (OutagePolicy::UntilExpiry, true),
        (OutagePolicy::Bounded(Duration::from_secs(3600)), false),
        (OutagePolicy::Closed, false),
    ] {
        let issuer = TestIssuer::new();
        let server = FeedServer::start(503, "").await;
        let verifier = server.verifier(&issuer, policy);
        let token = issuer.token().lifetime_secs(600).mint();
        assert!(!verifier.is_ready() && verifier.verify(&token).await.is_err(), "{policy}");
        issuer.clock().advance(Duration::from_secs(10));
        assert_eq!(verifier.is_ready(), accepts, "{policy}");
        assert_eq!(verifier.verify(&token).await.is_ok(), accepts, "{policy}");
    }
}

#[tokio::test]
async fn the_check_at_start_names_a_feed_that_refuses_the_client() {
    for (status, meaning) in [
        (401, "the client's id or secret is wrong"),
        (403, "the client lacks the scope revocations:read"),
        (404, "the URL names no revocation feed"),
    ] {
        let issuer = TestIssuer::new();
        let server = FeedServer::start(status, "").await;
        let verifier = server.verifier(&issuer, OutagePolicy::UntilExpiry);
        let reason = verifier.ready().await.unwrap_err().reason;
        assert_eq!(reason, format!("{} answered {status}: {meaning}", server.url));
    }
}
