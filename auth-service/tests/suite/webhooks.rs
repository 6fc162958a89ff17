//! Webhooks: receivers learn of events, whatever other receivers do.

use std::{
    collections::HashSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use diesel::{QueryableByName, RunQueryDsl, sql_query, sql_types::BigInt};
use serde_json::{Value, json};
use test_support::{Python, sql, wait_until, write_private};

use crate::{
    metrics::metric,
    support::{
        TestApp,
        admin::{id_of, sid_of},
        auth_service, data_folder,
        keys::{self, stderr_of, stdout_of},
        open_sqlite,
    },
};

const ALL_EVENTS: &str = "\"user.registered\", \"user.updated\", \"user.deleted\", \
    \"email.verified\", \"password.changed\", \"session.started\", \"session.ended\"";
const PRIVATE: &str = "--webhook-private-addresses=on";

fn new_secret() -> String {
    let bytes: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
    format!("whsec_{}", STANDARD.encode(bytes))
}

/// A request that a receiver got: its lines before the body, and the body.
#[derive(Clone, Debug)]
struct Request {
    head: Vec<String>,
    body: Value,
}

impl Request {
    fn header(&self, name: &str) -> &str {
        let prefix = format!("{name}: ");
        self.head.iter().find_map(|line| line.strip_prefix(&prefix)).expect(name)
    }
}

/// A receiver that answers as the test wants. An empty answer: it never answers.
struct Receiver {
    url: String,
    answer: Arc<Mutex<String>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Receiver {
    fn start(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let answer = Arc::new(Mutex::new(answer.to_owned()));
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let (answers, received) = (Arc::clone(&answer), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answers, received) = (Arc::clone(&answers), Arc::clone(&received));
                thread::spawn(move || serve(stream.unwrap(), &answers, &received));
            }
        });
        Self { url, answer, requests }
    }

    fn set_answer(&self, answer: &str) {
        *self.answer.lock().unwrap() = answer.to_owned();
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until this many requests have arrived, and returns them.
    async fn wait_for(&self, count: usize) -> Vec<Request> {
        wait_until(format!("{count} requests"), async || {
            let requests = self.requests();
            if requests.len() >= count { Ok(requests) } else { Err(requests.len()) }
        })
        .await
    }
}

fn serve(stream: TcpStream, answer: &Mutex<String>, received: &Mutex<Vec<Request>>) {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or_default() == 0 {
            return;
        }
        if line == "\r\n" {
            break;
        }
        head.push(line.trim_end().to_owned());
    }
    let mut request = Request { head, body: Value::Null };
    let mut body = vec![0; request.header("content-length").parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    request.body = serde_json::from_slice(&body).unwrap();
    let id = request.header("webhook-id").to_owned();
    let mut received = received.lock().unwrap();
    received.push(request);
    let attempts = received.iter().filter(|request| request.header("webhook-id") == id).count();
    drop(received);
    let mut answer = answer.lock().unwrap().clone();
    if answer == FAULT_TWICE {
        answer = if attempts <= 2 { FAULT } else { NO_CONTENT }.to_owned();
    }
    if answer.is_empty() {
        // Waits until the client gives up.
        let _ = reader.read(&mut [0]);
        return;
    }
    let _ = reader.get_mut().write_all(answer.as_bytes());
}

const NO_CONTENT: &str = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
const FAULT: &str =
    "HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Stands for [`FAULT`] at the first two attempts of a message, and [`NO_CONTENT`] later.
const FAULT_TWICE: &str = "fault twice";

impl TestApp {
    /// Applies a file with these receivers, each with its events, and waits until the replica sends
    /// to them. Returns the secret of all of them.
    async fn receivers(&self, receivers: &[(&str, &str)]) -> String {
        let secret = new_secret();
        write_private(self.folder.path().join("hook.secret"), &secret);
        let entries = receivers.iter().map(|(url, events)| {
            let events = format!("events = [{events}]\nsecret_file = \"hook.secret\"\n");
            format!("[[webhooks]]\nurl = \"{url}\"\n{events}")
        });
        self.applied(&entries.collect::<String>(), &[]);
        self.wait_for_receivers().await;
        secret
    }

    /// Registers users until a message is written. The replica reads the receivers once a second,
    /// and sends nothing before.
    async fn wait_for_receivers(&self) {
        let earlier = self.messages(&[]).len();
        let mut names = 0..;
        wait_until("the replica knows the receivers", async || {
            let name = format!("early{}", names.next().unwrap());
            self.register(&name).await;
            self.messages(&[]).len() > earlier
        })
        .await;
    }

    /// Returns the objects that `auth-service webhooks` prints.
    fn webhooks(&self, args: &[&str]) -> Vec<Value> {
        let output = stdout_of(self.cli(&[&["webhooks"], args, &["--json"]].concat()));
        output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn messages(&self, args: &[&str]) -> Vec<Value> {
        self.webhooks(&[&["messages"], args].concat())
    }
}

/// Starts a receiver in Python, which verifies each message. Returns it with its URL.
fn python_receiver(secret: &str) -> (Python, String) {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/receive_webhooks.py");
    let mut receiver = Python::start(program);
    let port = receiver.ask(secret);
    (receiver, format!("http://127.0.0.1:{port}/"))
}

async fn standard_library_verifies_every_event(app: TestApp) {
    let secret = new_secret();
    let (mut receiver, url) = python_receiver(&secret);
    write_private(app.folder.path().join("python.secret"), &secret);
    let file = format!(
        "[[webhooks]]\nurl = \"{url}\"\nevents = [{ALL_EVENTS}]\nsecret_file = \"python.secret\"\n"
    );
    assert_eq!(app.applied(&file, &[]).lines().last(), Some("1 change applied"));
    app.wait_for_receivers().await;

    let tokens = app.new_user("ada").await;
    let (id, sid) = (id_of(&tokens), sid_of(&tokens));
    for args in [
        &["users", "verify-email", "ada"][..],
        &["users", "grant", "ada", "--role", "editor"],
        &["users", "reset-password", "ada"],
        &["users", "delete", "ada", "--yes"],
    ] {
        stdout_of(app.cli(args));
    }
    let of_ada = |message: &&Value| message["data"]["user_id"] == id;
    let received: Vec<Value> = wait_until("all messages", async || {
        let all = receiver.ask("");
        let messages: Vec<Value> = all.as_array().unwrap().iter().filter(of_ada).cloned().collect();
        if messages.len() == 7 { Ok(messages) } else { Err(all) }
    })
    .await;
    let data = |kind: &str| {
        let found = received.iter().find(|message| message["type"] == kind);
        found.unwrap_or_else(|| panic!("{kind}: {received:?}"))["data"].clone()
    };
    for (kind, cause) in [
        ("user.registered", "registration"),
        ("email.verified", "email_verified"),
        ("user.updated", "claims_change"),
        ("password.changed", "password_reset"),
        ("user.deleted", "user_deleted"),
    ] {
        assert_eq!(data(kind), json!({"user_id": id, "cause": cause}));
    }
    let started = json!({"user_id": id, "cause": "login", "session_id": sid});
    assert_eq!(data("session.started"), started);
    let ended = json!({"user_id": id, "cause": "password_reset", "session_ids": [sid]});
    assert_eq!(data("session.ended"), ended);
    let ids: HashSet<&str> =
        received.iter().map(|message| message["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 7);
}

#[actix_web::test]
async fn standard_library_verifies_every_event_of_the_embedded_store() {
    standard_library_verifies_every_event(TestApp::embedded_with(&[PRIVATE]).await).await;
}

#[actix_web::test]
async fn standard_library_verifies_every_event_of_the_deployed_store() {
    standard_library_verifies_every_event(TestApp::deployed_with(&[PRIVATE]).await).await;
}

async fn logouts_and_limits_end_sessions(app: TestApp) {
    let receiver = Receiver::start(NO_CONTENT);
    app.receivers(&[(&receiver.url, "\"session.ended\", \"user.registered\"")]).await;
    let ended = |requests: &[Request]| -> Vec<(Value, Value)> {
        let ended = requests.iter().filter(|request| request.body["type"] == "session.ended");
        let data = ended.map(|request| request.body["data"].clone());
        data.map(|data| (data["cause"].clone(), data["session_ids"].clone())).collect()
    };
    let sid =
        |tokens: &test_support::Tokens| test_support::claims_of(&tokens.access)["sid"].clone();
    let first = app.new_user("ada").await;
    app.logout(&first).await;
    let second = app.login("ada").await.tokens();
    let third = app.login("ada").await.tokens();
    let fourth = app.login("ada").await.tokens();
    app.post_with(&fourth.access, "/logout/all", json!({})).await;
    let expected = [
        ("logout", vec![sid(&first)]),
        ("session_limit", vec![sid(&second)]),
        ("logout_everywhere", vec![sid(&third), sid(&fourth)]),
    ];
    for (cause, sids) in expected {
        wait_until(format!("the receiver gets the cause {cause}"), async || {
            let ended = ended(&receiver.requests());
            let told = ended.iter().find(|(told, _)| told == cause).map(|(_, ids)| ids.clone());
            let told = told.and_then(|ids| ids.as_array().cloned()).unwrap_or_default();
            let is_told = told.len() == sids.len() && sids.iter().all(|sid| told.contains(sid));
            if is_told { Ok(()) } else { Err(format!("{ended:?}")) }
        })
        .await;
    }
    assert_eq!(ended(&receiver.requests()).len(), 3);
}

#[actix_web::test]
async fn logouts_and_limits_end_sessions_of_the_embedded_store() {
    let args = [PRIVATE, "--sessions-per-user=2"];
    logouts_and_limits_end_sessions(TestApp::embedded_with(&args).await).await;
}

#[actix_web::test]
async fn logouts_and_limits_end_sessions_of_the_deployed_store() {
    let args = [PRIVATE, "--sessions-per-user=2"];
    logouts_and_limits_end_sessions(TestApp::deployed_with(&args).await).await;
}

#[actix_web::test]
async fn receiver_that_never_answers_holds_up_no_other() {
    let app = TestApp::deployed_with(&[PRIVATE]).await;
    let silent = Receiver::start("");
    let good = Receiver::start(NO_CONTENT);
    let event = "\"user.registered\"";
    app.receivers(&[(&silent.url, event), (&good.url, event)]).await;
    let earlier = good.wait_for(1).await.len();
    for n in 0..20 {
        app.register(&format!("user{n}")).await;
    }
    good.wait_for(earlier + 20).await;
    let listed = app.webhooks(&["list"]);
    let state = |url: &str| listed.iter().find(|state| state["url"] == url).unwrap();
    assert!(state(&silent.url)["waiting"].as_i64() >= Some(20), "{listed:?}");
    assert!(silent.requests().len() < 20, "{:?}", silent.requests());
}

#[actix_web::test]
async fn redirect_is_not_followed() {
    let app = TestApp::embedded_with(&[PRIVATE]).await;
    let target = Receiver::start(NO_CONTENT);
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: {}\r\ncontent-length: 0\r\n\
         connection: close\r\n\r\n",
        target.url
    );
    let receiver = Receiver::start(&answer);
    app.receivers(&[(&receiver.url, "\"user.registered\"")]).await;
    let failed = wait_until("the attempt failed", async || {
        app.messages(&["--unsent"]).into_iter().find(|message| !message["last_error"].is_null())
    })
    .await;
    assert_eq!(failed["last_error"], "the receiver answered 307");
    assert!(target.requests().is_empty());
}

#[actix_web::test]
async fn failed_message_is_sent_again_with_its_id() {
    let app = TestApp::embedded_with(&[PRIVATE]).await;
    let receiver = Receiver::start(FAULT_TWICE);
    app.receivers(&[(&receiver.url, "\"user.deleted\", \"user.registered\"")]).await;
    app.new_user("ada").await;
    stdout_of(app.cli(&["users", "delete", "ada", "--yes"]));
    let is_deletion = |message: &Value| message["event"] == "user.deleted";
    let failed = wait_until("the first attempt failed", async || {
        let mut messages = app.messages(&["--unsent", "--to", &receiver.url]).into_iter();
        messages.find(|message| is_deletion(message) && !message["last_error"].is_null())
    })
    .await;
    assert_eq!(failed["last_error"], "the receiver answered 500");
    let id = &failed["id"];
    let sent = wait_until("the message is sent", async || {
        // Longer than the delays after the first and the second failure.
        app.advance(21);
        app.messages(&[]).into_iter().find(|sent| sent["id"] == *id && !sent["sent_at"].is_null())
    })
    .await;
    assert_eq!((&sent["attempts"], &sent["last_error"]), (&json!(3), &Value::Null));
    let requests = receiver.requests().into_iter();
    let attempts: Vec<Request> =
        requests.filter(|request| *id == request.header("webhook-id")).collect();
    assert_eq!(attempts.len(), 3);
    assert!(attempts.iter().all(|attempt| attempt.body == attempts[0].body));
    let times: HashSet<&str> =
        attempts.iter().map(|attempt| attempt.header("webhook-timestamp")).collect();
    assert_eq!(times.len(), 3, "each attempt has its own time");
}

#[actix_web::test]
async fn message_that_was_given_up_or_sent_is_replayed() {
    let app = TestApp::embedded_with(&[PRIVATE, "--webhook-give-up=1"]).await;
    let receiver = Receiver::start(FAULT);
    app.receivers(&[(&receiver.url, "\"user.registered\"")]).await;
    let given_up = wait_until("the message is given up", async || {
        app.messages(&[]).into_iter().find(|message| !message["given_up_at"].is_null())
    })
    .await;
    let id = given_up["id"].as_str().unwrap();
    let events = app.audit(&["--event", "message_given_up"]);
    let detail = events[0]["detail"].as_str().unwrap();
    assert!(detail.contains("user.registered") && detail.contains("answered 500"), "{detail}");
    // The path of a URL may be a secret.
    assert!(detail.contains("http://127.0.0.1:") && !detail.contains("/hook"), "{detail}");
    assert!(metric(&app, "auth_webhooks_given_up_total").await >= 1.0);

    receiver.set_answer(NO_CONTENT);
    let replayed = app.webhooks(&["replay", "--given-up", &receiver.url]);
    assert!(replayed[0]["due"].as_i64() >= Some(1), "{replayed:?}");
    let is_sent = async || {
        let sent = app.messages(&[]).into_iter().find(|message| message["id"] == id).unwrap();
        !sent["sent_at"].is_null()
    };
    wait_until("the message is sent", is_sent).await;
    let count = |receiver: &Receiver| {
        let requests = receiver.requests();
        requests.iter().filter(|request| request.header("webhook-id") == id).count()
    };
    let earlier = count(&receiver);
    assert_eq!(app.webhooks(&["replay", id]), [json!({"due": 1})]);
    wait_until("the message is sent again", async || count(&receiver) == earlier + 1).await;
    let error = stderr_of(app.cli(&["webhooks", "replay", "unknown"]));
    assert!(error.contains("there is no such message"), "{error}");
    let error = stderr_of(app.cli(&["webhooks", "replay", "--given-up", "unknown"]));
    assert!(error.contains("there is no receiver unknown"), "{error}");
}

#[actix_web::test]
async fn operator_tests_a_receiver() {
    let app = TestApp::embedded_with(&[PRIVATE]).await;
    let receiver = Receiver::start(NO_CONTENT);
    app.receivers(&[(&receiver.url, "\"user.registered\"")]).await;
    let tested = app.webhooks(&["test", &receiver.url, PRIVATE]);
    assert_eq!((&tested[0]["status"], &tested[0]["url"]), (&json!(204), &json!(receiver.url)));
    let id = tested[0]["id"].as_str().unwrap();
    let requests = receiver.requests();
    let request = requests.iter().find(|request| request.header("webhook-id") == id).unwrap();
    assert_eq!(request.body["type"], "webhook.test");
    assert_eq!(request.head[0], "POST /hook HTTP/1.1");
    assert!(request.header("webhook-signature").starts_with("v1,"));
    receiver.set_answer(FAULT);
    for (args, expected) in [
        (&["test", &receiver.url, PRIVATE][..], "the receiver answered 500"),
        (&["test", &receiver.url], "the URL is not on https"),
        (&["test", "unknown"], "there is no receiver unknown"),
    ] {
        let error = stderr_of(app.cli(&[&["webhooks"], args].concat()));
        assert!(error.contains(expected), "{args:?}: {error}");
    }
}

#[actix_web::test]
async fn private_address_gets_no_message() {
    let app = TestApp::embedded().await;
    let receiver = Receiver::start(NO_CONTENT);
    let tls = receiver.url.replace("http:", "https:");
    let named = tls.replace("127.0.0.1", "localhost");
    let event = "\"user.registered\"";
    app.receivers(&[(&receiver.url, event), (&tls, event), (&named, event)]).await;
    for (url, expected) in [
        (&receiver.url, "the URL is not on https"),
        (&tls, "the address is not one of the internet"),
        (&named, "the address is not one of the internet"),
    ] {
        let error = wait_until(format!("{url} is refused"), async || {
            let mut messages = app.messages(&["--to", url]).into_iter();
            messages.find_map(|message| Some(message["last_error"].as_str()?.to_owned()))
        })
        .await;
        assert!(error.contains(expected), "{url}: {error}");
    }
    assert!(receiver.requests().is_empty());
}

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    count: i64,
}

fn count_messages(app: &TestApp) -> i64 {
    let count = "SELECT count(*) AS count FROM webhook_messages";
    if let Some(database) = &app.database {
        return sql(&database.url(), "SELECT id FROM webhook_messages") as i64;
    }
    sql_query(count).get_result::<Count>(&mut open_sqlite(&app.folder)).unwrap().count
}

/// Inserts messages to the receiver with this id, which have been due since 1970.
fn insert_old_messages(app: &TestApp, webhook_id: &str, count: usize) {
    let insert = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})
        INSERT INTO webhook_messages (id, webhook_id, event, sealed, created_at, due_at)
        SELECT '{webhook_id} ' || i, '{webhook_id}', 'user.registered', '', i, i FROM n"
    );
    assert_eq!(app.sql(&insert), count);
}

#[actix_web::test]
async fn old_messages_of_the_embedded_store_are_given_up_together() {
    old_messages_are_given_up_together(TestApp::embedded_with(&[PRIVATE]).await).await;
}

#[actix_web::test]
async fn old_messages_of_the_deployed_store_are_given_up_together() {
    old_messages_are_given_up_together(TestApp::deployed_with(&[PRIVATE]).await).await;
}

/// A receiver that never answers takes no attempt for each of the messages.
async fn old_messages_are_given_up_together(app: TestApp) {
    let silent = Receiver::start("");
    app.receivers(&[(&silent.url, "\"user.registered\"")]).await;
    let id = app.webhooks(&["list"])[0]["id"].as_str().unwrap().to_owned();
    insert_old_messages(&app, &id, 2500);
    wait_until("all old messages are given up", async || {
        let listed = app.webhooks(&["list"]);
        if listed[0]["given_up"] == 2500 { Ok(()) } else { Err(format!("{listed:?}")) }
    })
    .await;
    wait_until("the metric counts them", async || {
        metric(&app, "auth_webhooks_given_up_total").await >= 2500.0
    })
    .await;
    let events = app.audit(&["--event", "message_given_up"]);
    // Three pages, and the messages that the replica claimed before.
    assert!(events.len() <= 7, "{events:?}");
    let detail = format!(
        "1000 messages to {} ({id}): due for longer than WEBHOOK_GIVE_UP",
        silent.url.trim_end_matches("/hook")
    );
    assert!(events.iter().any(|event| event["detail"] == detail), "{events:?}");
    assert!(app.webhooks(&["list"])[0]["waiting"].as_i64() >= Some(1), "recent messages wait");
}

#[actix_web::test]
async fn cleanup_of_the_embedded_store_deletes_messages_to_a_removed_receiver() {
    cleanup_deletes_messages_to_a_removed_receiver(TestApp::embedded_with(&[PRIVATE]).await).await;
}

#[actix_web::test]
async fn cleanup_of_the_deployed_store_deletes_messages_to_a_removed_receiver() {
    cleanup_deletes_messages_to_a_removed_receiver(TestApp::deployed_with(&[PRIVATE]).await).await;
}

async fn cleanup_deletes_messages_to_a_removed_receiver(app: TestApp) {
    let receiver = Receiver::start(NO_CONTENT);
    app.receivers(&[(&receiver.url, "\"user.registered\"")]).await;
    receiver.wait_for(1).await;
    // As of a replica that did not know yet that the receiver was removed.
    insert_old_messages(&app, "unknown", 1500);
    let id = app.messages(&[])[0]["id"].as_str().unwrap().to_owned();
    app.applied("webhooks = []\n", &["--prune"]);
    assert_eq!(app.messages(&[]), [] as [Value; 0]);
    for id in [id.as_str(), "unknown 1"] {
        let error = stderr_of(app.cli(&["webhooks", "replay", id]));
        assert!(error.contains("there is no such message"), "{error}");
    }
    stdout_of(app.cli(&["cleanup"]));
    assert_eq!(count_messages(&app), 0);
}

#[actix_web::test]
async fn cleanup_keeps_the_messages_to_a_receiver() {
    let app = TestApp::embedded_with(&[PRIVATE]).await;
    let receiver = Receiver::start(NO_CONTENT);
    app.receivers(&[(&receiver.url, "\"user.registered\"")]).await;
    let earlier = count_messages(&app);
    stdout_of(app.cli(&["cleanup"]));
    assert_eq!(count_messages(&app), earlier);
}

#[actix_web::test]
async fn other_secret_than_that_of_the_replicas_seals_nothing() {
    let app = TestApp::embedded_with(&[PRIVATE]).await;
    app.new_user("ada").await;
    let other = app.folder.path().join("other.key");
    write_private(&other, &keys::new_secret());
    let other = ["--secret-key-file", other.to_str().unwrap()];
    write_private(app.folder.path().join("hook.secret"), &new_secret());
    let text = "[[webhooks]]\nurl = \"https://127.0.0.1:9/hook\"\n\
                events = [\"user.updated\"]\nsecret_file = \"hook.secret\"\n";
    let refused = "does not open with this secret (SECRET_KEY_FILE)";
    let error = stderr_of(app.apply(text, &other));
    assert!(error.contains(refused), "{error}");
    assert_eq!(app.webhooks(&["list"]), [] as [Value; 0]);

    app.applied(text, &[]);
    let grant = ["users", "grant", "ada", "--role", "editor"];
    let error = stderr_of(app.cli(&[&grant[..], &other].concat()));
    assert!(error.contains(refused), "{error}");
    assert_eq!(app.users(&["show", "ada"])[0]["roles"], json!([]));
    assert_eq!(count_messages(&app), 0);
    stdout_of(app.cli(&grant));
    assert_eq!(count_messages(&app), 1);
}

#[test]
fn receiver_checks_the_secret_as_long_as_there_is_no_key() {
    let folder = data_folder();
    write_private(folder.path().join("hook.secret"), &new_secret());
    let file = folder.path().join("webhooks.toml");
    let text = "[[webhooks]]\nurl = \"https://example.com/hook\"\n\
                events = [\"user.updated\"]\nsecret_file = \"hook.secret\"\n";
    fs::write(&file, text).unwrap();
    let apply = ["apply", file.to_str().unwrap()];
    stdout_of(auth_service(&folder, &apply));
    assert_eq!(stdout_of(auth_service(&folder, &apply)), "no changes\n");
    write_private(folder.path().join("secret.key"), &keys::new_secret());
    let error = stderr_of(auth_service(&folder, &apply));
    assert!(error.contains("does not open with this secret (SECRET_KEY_FILE)"), "{error}");
}

#[actix_web::test]
async fn event_without_a_receiver_writes_no_row() {
    let app = TestApp::embedded_with(&[PRIVATE]).await;
    let count = || count_messages(&app);
    app.new_user("ada").await;
    assert_eq!(count(), 0);
    let receiver = Receiver::start(NO_CONTENT);
    app.receivers(&[(&receiver.url, "\"user.registered\"")]).await;
    let earlier = count();
    let tokens = app.login("ada").await.tokens();
    app.logout(&tokens).await;
    assert_eq!(count(), earlier);
}

#[actix_web::test]
async fn command_without_the_secret_changes_no_user_of_whom_a_receiver_learns() {
    let app = TestApp::embedded_with(&[PRIVATE]).await;
    let receiver = Receiver::start(NO_CONTENT);
    app.receivers(&[(&receiver.url, "\"user.registered\", \"user.updated\"")]).await;
    app.new_user("ada").await;
    let without = ["--secret-key-file", "/nowhere/secret.key"];
    let grant = [&["users", "grant", "ada", "--role", "editor"], &without[..]].concat();
    let error = stderr_of(app.cli(&grant));
    assert!(error.contains("a receiver of webhooks learns of this change"), "{error}");
    assert_eq!(app.users(&["show", "ada"])[0]["roles"], json!([]));
    // No receiver learns of this one.
    stdout_of(app.cli(&[&["users", "unlock", "ada"], &without[..]].concat()));
}

#[actix_web::test]
async fn receivers_of_a_file_are_added_changed_and_removed() {
    let app = TestApp::embedded().await;
    let (old, new) = (new_secret(), new_secret());
    let secret_file = app.folder.path().join("hook.secret");
    write_private(&secret_file, &old);
    let file = |events: &str| {
        format!(
            "[[webhooks]]\nurl = \"https://example.com/hook\"\nevents = [{events}]\n\
             secret_file = \"hook.secret\"\n"
        )
    };
    let first = file("\"user.registered\", \"session.ended\"");
    let url = "https://example.com/hook";
    let applied = |text: &str| app.applied(text, &[]);
    assert_eq!(
        applied(&first),
        format!(
            "+ webhook {url}: event user.registered, event session.ended, secret from \
             hook.secret\n1 change applied\n"
        )
    );
    assert_eq!(applied(&first), "no changes\n");
    let second = file("\"session.ended\", \"user.deleted\"");
    assert_eq!(
        applied(&second),
        format!("~ webhook {url}: +event user.deleted, -event user.registered\n1 change applied\n")
    );
    write_private(&secret_file, &new);
    let rotated = applied(&second);
    assert_eq!(rotated, format!("~ webhook {url}: secret from hook.secret\n1 change applied\n"));
    assert_eq!(applied(&second), "no changes\n");
    assert_eq!(applied("webhooks = []\n"), "no changes\n");
    let pruned = app.applied("webhooks = []\n", &["--prune"]);
    assert_eq!(pruned, format!("- webhook {url}\n1 change applied\n"));
    let events = app.audit(&[]);
    let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(
        names[names.len() - 4..],
        ["webhook_created", "webhook_changed", "webhook_secret_rotated", "webhook_deleted"]
    );
    let trail = stdout_of(app.cli(&["audit"]));
    assert!(!trail.contains(&old) && !trail.contains(&new), "{trail}");
    assert!(trail.contains("https://example.com (") && !trail.contains("/hook"), "{trail}");

    write_private(&secret_file, "whsec_tooshort");
    let text = "[[webhooks]]\nurl = \"ftp://example.com\"\n\n[[webhooks]]\n\
                url = \"https://user:pass@example.com\"\nevents = [\"user.created\"]\n\n\
                [[webhooks]]\nurl = \"https://example.com\"\nsecret_file = \"hook.secret\"\n";
    let output = app.apply(text, &[]);
    assert_eq!(output.status.code(), Some(2));
    let faults = String::from_utf8(output.stdout).unwrap();
    for part in [
        ":2: the url must begin with https:// or http://",
        ":5: the url must not contain a user or a password",
        ":6: \"user.created\" in events is no event: the events are user.registered, ",
        ":10: the secret file hook.secret contains a secret that is not whsec_ and the base64",
    ] {
        assert!(faults.contains(part), "{part}: {faults}");
    }
    assert!(!faults.contains("tooshort") && !faults.contains("pass@"), "{faults}");
}
