//! The transcripts of the revocation feed.

use std::{collections::BTreeMap, sync::LazyLock, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;
use shared::{Verifier, clock::Clock, keys::JwkSet, revocations::Feed};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{Settings, read, verdict};

/// Maximum time until a verifier reaches an expected state.
const LIMIT: Duration = Duration::from_secs(15);

#[derive(Deserialize)]
struct FeedFile {
    #[serde(flatten)]
    settings: Settings,
    keys: JwkSet,
    tokens: BTreeMap<String, String>,
    client: FeedClient,
    transcripts: Vec<Transcript>,
}

#[derive(Deserialize)]
struct FeedClient {
    id: String,
    secret: String,
}

#[derive(Deserialize)]
struct Transcript {
    name: String,
    outage: String,
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    Accept { last_event_id: Option<String> },
    Respond { status: u16, headers: BTreeMap<String, String> },
    Send(String),
    Expect(State),
    Still(State),
    Advance(u64),
    Close(Closer),
}

#[derive(Debug, Deserialize)]
struct State {
    current: Option<bool>,
    #[serde(default)]
    tokens: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Closer {
    Server,
    Client,
}

static FILE: LazyLock<FeedFile> = LazyLock::new(|| read("feed.json"));

/// A transcript that is played.
struct Play {
    listener: TcpListener,
    connection: Option<TcpStream>,
    verifier: Verifier,
    clock: Clock,
}

impl Play {
    async fn begin(outage: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let feed = Feed {
            url: format!("http://{}/revocations", listener.local_addr().unwrap()),
            client_id: FILE.client.id.clone(),
            client_secret: FILE.client.secret.clone(),
        };
        let (builder, clock) = FILE.settings.builder();
        let builder = builder.revocations(feed, outage.parse().unwrap());
        let verifier = builder.build_with_keys(&FILE.keys);
        Self { listener, connection: None, verifier, clock }
    }

    /// Takes a step.
    ///
    /// # Errors
    /// What is not as the step says.
    async fn take(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Accept { last_event_id } => self.accept(last_event_id.as_deref()).await?,
            Step::Respond { status, headers } => {
                let headers: String =
                    headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
                self.send(&format!("HTTP/1.1 {status} X\r\n{headers}\r\n")).await;
            }
            Step::Send(text) => self.send(text).await,
            Step::Expect(state) => self.wait_for(state).await?,
            Step::Still(state) => self.check(state)?,
            Step::Advance(seconds) => self.clock.advance(Duration::from_secs(*seconds)),
            Step::Close(Closer::Server) => self.connection = None,
            Step::Close(Closer::Client) => self.wait_for_close().await?,
        }
        Ok(())
    }

    async fn accept(&mut self, last_event_id: Option<&str>) -> Result<(), String> {
        let accepted = timeout(LIMIT, self.listener.accept()).await;
        let (mut stream, _) = accepted.map_err(|_| "no connection")?.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.map_err(|error| error.to_string())?);
        }
        let request = String::from_utf8_lossy(&request).into_owned();
        self.connection = Some(stream);
        let header = |name: &str| {
            request
                .lines()
                .filter_map(|line| line.split_once(": "))
                .find_map(|(is, value)| is.eq_ignore_ascii_case(name).then(|| value.to_owned()))
        };
        let FeedClient { id, secret } = &FILE.client;
        let credentials = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
        let is_right = request.starts_with("GET /revocations HTTP/1.1\r\n")
            && header("authorization") == Some(credentials)
            && header("last-event-id").as_deref() == last_event_id;
        if is_right { Ok(()) } else { Err(request) }
    }

    /// Sends a text. The verifier may have closed the connection.
    async fn send(&mut self, text: &str) {
        let connection = self.connection.as_mut().expect("an open connection");
        let _ = connection.write_all(text.as_bytes()).await;
    }

    async fn wait_for_close(&mut self) -> Result<(), String> {
        let mut connection = self.connection.take().expect("an open connection");
        let read = timeout(LIMIT, connection.read_u8()).await;
        // The end of the stream, or a reset.
        if matches!(read, Ok(Err(_))) { Ok(()) } else { Err(format!("not closed: {read:?}")) }
    }

    async fn wait_for(&self, state: &State) -> Result<(), String> {
        let reached = async {
            while self.check(state).is_err() {
                sleep(Duration::from_millis(5)).await;
            }
        };
        match timeout(LIMIT, reached).await {
            Ok(()) => Ok(()),
            Err(_) => self.check(state),
        }
    }

    fn check(&self, state: &State) -> Result<(), String> {
        let current = self.verifier.follows_revocations();
        if state.current.is_some() && state.current != current {
            return Err(format!("current is {current:?}"));
        }
        for (name, expected) in &state.tokens {
            let verdict = verdict(&self.verifier, &FILE.tokens[name]);
            if verdict != *expected {
                return Err(format!("{name} is {verdict}, not {expected}"));
            }
        }
        Ok(())
    }
}

async fn play(transcript: &Transcript) -> Result<(), String> {
    let mut play = Play::begin(&transcript.outage).await;
    for (number, step) in transcript.steps.iter().enumerate() {
        let taken = play.take(step).await;
        taken.map_err(|why| format!("{}: step {number}, {step:?}: {why}", transcript.name))?;
    }
    Ok(())
}

#[tokio::test]
async fn every_transcript_of_the_feed_is_followed() {
    assert!(FILE.transcripts.len() > 40);
    // At the same time, because silence takes five seconds.
    let plays: JoinSet<_> = FILE.transcripts.iter().map(play).collect();
    let outcomes = plays.join_all().await;
    let wrong: Vec<String> = outcomes.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
