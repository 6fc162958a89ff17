//! The verifier with an issuer over HTTP: new keys, unknown keys, faulty answers, outages.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use shared::{FetchError, Verifier, VerifyError, clock::Clock};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A signing key of an issuer.
struct Key {
    kid: String,
    pair: Ed25519KeyPair,
}

impl Key {
    fn new(kid: &str) -> Self {
        Self { kid: kid.into(), pair: Ed25519KeyPair::generate().unwrap() }
    }

    fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key());
        json!({
            "kty": "OKP", "crv": "Ed25519", "x": x,
            "kid": self.kid, "use": "sig", "alg": "EdDSA",
        })
    }

    fn token(&self, issuer: &str) -> String {
        self.token_at(issuer, Clock::system().now_secs())
    }

    /// Returns a token that is issued at `now`, in seconds since the Unix epoch.
    fn token_at(&self, issuer: &str, now: i64) -> String {
        let id = "01a20970-f552-76e1-be5b-197ec9e2780c";
        let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": self.kid});
        let claims = json!({
            "iss": issuer, "sub": id, "aud": "api", "exp": now + 300, "iat": now, "jti": id,
            "sid": id, "scope": "", "token_type": "access",
        });
        let input = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(input.as_bytes()));
        format!("{input}.{signature}")
    }
}

/// An issuer over HTTP: serves metadata and a JWKS, and counts the requests for the JWKS.
#[derive(Clone)]
struct Issuer {
    url: String,
    /// Status and body of the JWKS.
    keys: Arc<Mutex<(u16, String)>>,
    /// Path and body of the metadata.
    metadata: Arc<Mutex<(String, String)>>,
    requests: Arc<AtomicUsize>,
}

impl Issuer {
    async fn start(keys: &[&Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let issuer =
            Self { url, keys: Arc::default(), metadata: Arc::default(), requests: Arc::default() };
        issuer.publish(keys);
        issuer.describe("/.well-known/oauth-authorization-server", &issuer.url);
        let this = issuer.clone();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                let request = std::str::from_utf8(&request[..length]).unwrap();
                let path = request.split(' ').nth(1).unwrap();
                let (metadata_path, metadata) = this.metadata.lock().unwrap().clone();
                let (status, body) = if path == "/keys" {
                    this.requests.fetch_add(1, Ordering::SeqCst);
                    this.keys.lock().unwrap().clone()
                } else if path == metadata_path {
                    (200, metadata)
                } else {
                    (404, String::new())
                };
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + &body).as_bytes()).await;
            }
        });
        issuer
    }

    fn publish(&self, keys: &[&Key]) {
        let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
        self.answer(200, &json!({"keys": keys}).to_string());
    }

    fn describe(&self, path: &str, issuer: &str) {
        let metadata = json!({"issuer": issuer, "jwks_uri": format!("{}/keys", self.url)});
        *self.metadata.lock().unwrap() = (path.into(), metadata.to_string());
    }

    fn answer(&self, status: u16, body: &str) {
        *self.keys.lock().unwrap() = (status, body.into());
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    fn verifier(&self, refresh: Duration, min_fetch: Duration) -> Verifier {
        let builder = Verifier::builder(&self.url).audience("api");
        builder.refresh_interval(refresh).min_fetch_interval(min_fetch).build()
    }
}

const HOUR: Duration = Duration::from_secs(3600);

async fn ready(verifier: &Verifier) {
    while !verifier.is_ready() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_keys_are_fetched_once() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = issuer.verifier(HOUR, HOUR);
    ready(&verifier).await;
    for _ in 0..100 {
        assert_eq!(verifier.verify(&key.token(&issuer.url)).await.unwrap().iss, issuer.url);
    }
    assert_eq!(issuer.requests(), 1);
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it() {
    let old = Key::new("old");
    let new = Key::new("new");
    let issuer = Issuer::start(&[&old]).await;
    let verifier = issuer.verifier(HOUR, HOUR);
    ready(&verifier).await;
    issuer.publish(&[&old, &new]);
    // The minimum interval does not count from the fetch at the start.
    verifier.verify(&new.token(&issuer.url)).await.unwrap();
    verifier.verify(&old.token(&issuer.url)).await.unwrap();
    assert_eq!(issuer.requests(), 2);
}

#[tokio::test]
async fn many_unknown_key_ids_cause_one_fetch() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = issuer.verifier(HOUR, HOUR);
    ready(&verifier).await;
    let mut made_up = Key::new("");
    for number in 0..10_000 {
        made_up.kid = format!("made-up-{number}");
        assert_eq!(
            verifier.verify(&made_up.token(&issuer.url)).await,
            Err(VerifyError::UnknownKey)
        );
        if number % 1000 == 0 {
            verifier.verify(&key.token(&issuer.url)).await.unwrap();
        }
    }
    assert_eq!(issuer.requests(), 2, "one at the start, and one for all unknown key ids");
}

#[tokio::test]
async fn the_keys_stay_in_use_after_a_failed_fetch() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = issuer.verifier(HOUR, Duration::ZERO);
    ready(&verifier).await;
    let unknown = Key::new("unknown").token(&issuer.url);
    let too_large = format!("{{\"keys\": [], \"x\": \"{}\"}}", "x".repeat(300_000));
    for (status, body) in
        [(500, ""), (200, "nonsense"), (200, "{\"keys\": []}"), (302, ""), (200, &too_large)]
    {
        issuer.answer(status, body);
        assert_eq!(verifier.verify(&unknown).await, Err(VerifyError::UnknownKey), "{status}");
        verifier.verify(&key.token(&issuer.url)).await.unwrap();
    }
    assert_eq!(issuer.requests(), 6);
}

#[tokio::test]
async fn keys_are_used_for_a_day_after_the_last_successful_fetch() {
    const HALF_DAY: Duration = Duration::from_secs(12 * 3600);
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let clock = Clock::system();
    let builder = Verifier::builder(&issuer.url).audience("api").clock(clock.clone());
    let verifier = builder.refresh_interval(HOUR).min_fetch_interval(Duration::ZERO).build();
    ready(&verifier).await;
    let token = || key.token_at(&issuer.url, clock.now_secs());
    let cached = token();
    verifier.verify(&cached).await.unwrap();

    issuer.answer(500, "");
    clock.advance(HALF_DAY);
    verifier.verify(&token()).await.unwrap();
    clock.advance(HALF_DAY);
    for token in [token(), cached] {
        assert_eq!(verifier.verify(&token).await, Err(VerifyError::KeysUnavailable));
    }
    assert!(!verifier.is_ready() && !verifier.has_keys());
    assert_eq!(verifier.keys_error(), Some(FetchError::Status(500)));

    issuer.publish(&[&key]);
    verifier.verify(&token()).await.unwrap();
    assert!(verifier.is_ready());
}

#[tokio::test]
async fn the_maximum_age_of_keys_can_be_set_and_a_fetch_of_the_same_keys_begins_it_anew() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let clock = Clock::system();
    let builder = Verifier::builder(&issuer.url).audience("api").clock(clock.clone());
    let builder = builder.refresh_interval(HOUR).min_fetch_interval(Duration::ZERO);
    let verifier = builder.max_key_age(HOUR).build();
    ready(&verifier).await;
    for _ in 0..3 {
        clock.advance(HOUR / 2);
        let unknown = Key::new("unknown").token(&issuer.url);
        assert_eq!(verifier.verify(&unknown).await, Err(VerifyError::UnknownKey));
        assert!(verifier.has_keys());
    }
    clock.advance(HOUR);
    assert!(!verifier.has_keys());
}

#[tokio::test]
async fn tokens_are_answered_with_503_until_the_keys_are_fetched() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    issuer.answer(503, "");
    let verifier = issuer.verifier(HOUR, Duration::ZERO);
    let refused = verifier.verify(&key.token(&issuer.url)).await;
    assert_eq!(refused, Err(VerifyError::KeysUnavailable));
    assert_eq!(refused.unwrap_err().status(), 503);
    issuer.publish(&[&key]);
    verifier.verify(&key.token(&issuer.url)).await.unwrap();
}

#[tokio::test]
async fn unusable_keys_are_ignored() {
    let key = Key::new("one");
    let mut others = vec![
        json!({"kty": "oct", "k": "AAAA", "kid": "secret", "alg": "HS256"}),
        json!({"kty": "OKP", "crv": "X25519", "x": "AAAA", "kid": "agreement"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "short"}),
        json!({"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA", "kid": "no point"}),
        json!({"kty": "unknown", "kid": "new"}),
    ];
    let with = |name: &str, value: Value| {
        let mut jwk = key.jwk();
        jwk["kid"] = json!(format!("changed {name}"));
        jwk[name] = value;
        jwk
    };
    others.extend([with("use", json!("enc")), with("alg", json!("RS256")), key.jwk()]);
    let issuer = Issuer::start(&[]).await;
    issuer.answer(200, &json!({"keys": others}).to_string());
    let verifier = issuer.verifier(HOUR, HOUR);
    ready(&verifier).await;
    verifier.verify(&key.token(&issuer.url)).await.unwrap();
    for kid in ["secret", "agreement", "short", "no point", "new", "changed use", "changed alg"] {
        let token =
            Key { kid: kid.into(), pair: Ed25519KeyPair::generate().unwrap() }.token(&issuer.url);
        assert_eq!(verifier.verify(&token).await, Err(VerifyError::UnknownKey), "{kid}");
    }
}

#[tokio::test]
async fn metadata_of_an_issuer_with_a_path_or_of_openid_connect_is_found() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let tenant = format!("{}/tenant", issuer.url);
    for (name, path) in [
        (&issuer.url, "/.well-known/openid-configuration"),
        (&tenant, "/.well-known/oauth-authorization-server/tenant"),
        (&tenant, "/tenant/.well-known/openid-configuration"),
    ] {
        issuer.describe(path, name);
        let verifier = Verifier::builder(name).audience("api").build();
        ready(&verifier).await;
        verifier.verify(&key.token(name)).await.unwrap();
    }
}

#[tokio::test]
async fn a_trailing_slash_of_the_issuer_makes_no_difference() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let with_slash = format!("{}/", issuer.url);
    for built_with in [&issuer.url, &with_slash] {
        for described_as in [&issuer.url, &with_slash] {
            issuer.describe("/.well-known/oauth-authorization-server", described_as);
            let verifier = Verifier::builder(built_with).audience("api").build();
            verifier.ready().await.unwrap();
            for iss in [&issuer.url, &with_slash] {
                verifier.verify(&key.token(iss)).await.unwrap();
            }
            let two = key.token(&format!("{}//", issuer.url));
            assert_eq!(verifier.verify(&two).await, Err(VerifyError::Issuer));
        }
    }
}

#[tokio::test]
async fn the_check_at_start_names_both_issuers_that_differ() {
    let issuer = Issuer::start(&[&Key::new("one")]).await;
    let configured = issuer.url.replace("127.0.0.1", "localhost");
    let verifier = Verifier::builder(&configured).audience("api").build();
    let reason = verifier.ready().await.unwrap_err().reason;
    let expected = format!(
        "cannot fetch the keys of {configured}: the metadata belongs to another issuer, {}: build \
         the verifier with this URL",
        issuer.url
    );
    assert_eq!(reason, expected);
}

#[tokio::test]
async fn the_check_at_start_names_a_missing_audience() {
    let issuer = Issuer::start(&[&Key::new("one")]).await;
    let reason = Verifier::builder(&issuer.url).build().ready().await.unwrap_err().reason;
    assert_eq!(reason, "the verifier has no audience, so it accepts no token");
}

#[tokio::test]
async fn metadata_of_another_issuer_is_refused() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    issuer.describe("/.well-known/oauth-authorization-server", "http://other.example");
    let verifier = issuer.verifier(HOUR, Duration::ZERO);
    let refused = verifier.verify(&key.token(&issuer.url)).await;
    assert_eq!(refused, Err(VerifyError::KeysUnavailable));
    assert_eq!(issuer.requests(), 0);
}

#[tokio::test]
async fn a_cached_token_is_refused_after_it_expires_or_its_key_is_withdrawn() {
    let old = Key::new("old");
    let new = Key::new("new");
    let issuer = Issuer::start(&[&old, &new]).await;
    let clock = Clock::system();
    let builder = Verifier::builder(&issuer.url).audience("api").clock(clock.clone());
    let verifier = builder.min_fetch_interval(Duration::ZERO).build();
    ready(&verifier).await;
    let token = new.token(&issuer.url);
    let withdrawn = old.token(&issuer.url);
    for _ in 0..2 {
        verifier.verify(&token).await.unwrap();
        verifier.verify(&withdrawn).await.unwrap();
    }
    issuer.publish(&[&new]);
    let unknown = Key::new("unknown").token(&issuer.url);
    assert_eq!(verifier.verify(&unknown).await, Err(VerifyError::UnknownKey));
    verifier.verify(&token).await.unwrap();
    assert_eq!(verifier.verify_with_known_keys(&withdrawn), Err(VerifyError::UnknownKey));
    clock.advance(Duration::from_secs(310));
    assert_eq!(verifier.verify(&token).await, Err(VerifyError::Expired));
}

#[tokio::test]
async fn the_signature_of_a_cached_token_is_refused_with_another_payload() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let verifier = issuer.verifier(HOUR, HOUR);
    ready(&verifier).await;
    let token = key.token(&issuer.url);
    let other = key.token(&format!("{}/", issuer.url));
    verifier.verify(&token).await.unwrap();
    let (_, signature) = token.rsplit_once('.').unwrap();
    let (input, _) = other.rsplit_once('.').unwrap();
    assert_eq!(verifier.verify(&format!("{input}.{signature}")).await, Err(VerifyError::Signature));
}
