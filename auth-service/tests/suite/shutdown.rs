//! SIGTERM: not ready first, then what has begun is finished, and what is written behind is written.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::support::auth_service;
use reqwest::Method;
use serde_json::json;
use test_support::{Client, Process, TempDir, temp_dir, wait_until_blocking};

async fn start(data: &TempDir, settings: &[(&str, &str)]) -> (Process, Client) {
    let mut env = vec![
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("BCRYPT_COST", "12"),
        ("ISSUER", "http://auth.example.com"),
    ];
    env.extend(settings);
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let client = Client::new(process.addr(0));
    client.wait_for_status("/readyz", 200).await;
    (process, client)
}

#[actix_web::test]
async fn a_service_told_to_end_says_so_and_serves_on_until_the_delay_is_over() {
    let data = temp_dir();
    let (mut process, client) = start(&data, &[("SHUTDOWN_DELAY", "3")]).await;
    let tokens = client.new_user("ada").await;
    let answer = client.get("/healthz", None).await;
    assert_eq!(answer.header("connection"), "");

    process.send_sigterm();
    let answer = client.wait_for_status("/readyz", 503).await;
    assert_eq!((&answer.json["service"], &answer.json["database"]), (&json!("ending"), &json!("ok")));
    // Clients go elsewhere, one after the other, and none is refused.
    assert_eq!(answer.header("connection"), "close");
    client.refreshed(&tokens.refresh).await;
    assert_eq!(process.wait().code(), Some(0));
    assert!(client.request(Method::GET, "/healthz").send().await.is_err());
}

#[actix_web::test]
async fn what_has_begun_is_finished_and_what_is_written_behind_is_written() {
    let data = temp_dir();
    let (mut process, client) = start(&data, &[]).await;
    let tokens = client.new_user("ada").await;
    let used_at = async |client: &Client, access: &str| {
        let answer = client.get("/sessions", Some(access)).await;
        answer.json["sessions"][0]["last_used_at"].as_str().unwrap().to_owned()
    };
    let before = used_at(&client, &tokens.access).await;
    // The time is told to the second.
    while jiff::Timestamp::now()
        < before.parse::<jiff::Timestamp>().unwrap() + jiff::SignedDuration::from_secs(1)
    {
        tokio::task::yield_now().await;
    }
    // A hash takes its time: told to end meanwhile, it is answered all the same.
    let login = client.login("ada");
    let told = async {
        let tokens = client.refreshed(&tokens.refresh).await;
        process.send_sigterm();
        tokens
    };
    let (login, tokens) = futures_util::future::join(login, told).await;
    assert_eq!(login.status, 200);
    assert_eq!(process.wait().code(), Some(0));

    let (_process, client) = start(&data, &[]).await;
    let sessions = client.get("/sessions", Some(&tokens.access)).await.json["sessions"].clone();
    let used = sessions.as_array().unwrap().iter().find(|session| session["current"] == true).unwrap();
    assert!(used["last_used_at"].as_str().unwrap() > before.as_str(), "{sessions}");
}

/// A proxy asks another replica when it is refused, but must not repeat a POST that it has sent.
#[actix_web::test]
async fn whoever_is_connected_is_answered_to_the_last() {
    const REQUEST: &[u8] =
        b"POST /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    for _ in 0..3 {
        let data = temp_dir();
        let (mut process, _) = start(&data, &[("RUST_LOG", "info")]).await;
        let (addr, answered) = (process.addr(0), Arc::new(AtomicUsize::new(0)));
        let ask = |answered: Arc<AtomicUsize>| {
            move || loop {
                let mut stream = match TcpStream::connect_timeout(&addr, Duration::from_secs(10)) {
                    Ok(stream) => stream,
                    Err(why) => break assert_eq!(why.kind(), ErrorKind::ConnectionRefused, "{why}"),
                };
                let mut answer = String::new();
                stream.write_all(REQUEST).and_then(|()| stream.read_to_string(&mut answer)).unwrap();
                assert!(answer.starts_with("HTTP/1.1 404"), "{answer:?}");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        };
        let people = [(); 8].map(|()| thread::spawn(ask(Arc::clone(&answered))));
        wait_until_blocking("they are answered", || answered.load(Ordering::Relaxed) > 500);
        process.send_sigterm();
        for person in people {
            person.join().unwrap();
        }
        assert_eq!(process.wait().code(), Some(0));
    }
}

#[actix_web::test]
async fn listeners_and_idle_clients_do_not_hold_it_up() {
    let data = temp_dir();
    let (mut process, client) = start(&data, &[("SHUTDOWN_TIMEOUT", "30")]).await;
    client.wait_for_status("/healthz", 200).await;
    let made = auth_service(&data, &["clients", "create", "reports-api", "--scope", "revocations:read"]);
    let secret = String::from_utf8(made.stdout).unwrap().split_whitespace().last().unwrap().to_owned();
    let request = client.request(Method::GET, "/revocations").basic_auth("reports-api", Some(secret));
    let mut feed = request.send().await.unwrap();
    assert_eq!(feed.chunk().await.unwrap().unwrap(), "event: caught-up\ndata: {}\n\n");

    let told = Instant::now();
    process.send_sigterm();
    // It ends, rather than break off.
    while feed.chunk().await.unwrap().is_some() {}
    assert_eq!(process.wait().code(), Some(0));
    // The limit is for what does not end by itself.
    assert!(told.elapsed() < Duration::from_secs(20), "{:?}", told.elapsed());
    println!("it ended {:?} after it was told to", told.elapsed());
}

#[actix_web::test]
async fn a_second_signal_ends_it_at_once_whatever_has_begun() {
    let data = temp_dir();
    let (mut process, client) = start(&data, &[("SHUTDOWN_TIMEOUT", "600")]).await;
    // A body that never comes.
    let mut slow = std::net::TcpStream::connect(process.addr(0)).unwrap();
    let head =
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    std::io::Write::write_all(&mut slow, head.as_bytes()).unwrap();
    client.wait_for_status("/healthz", 200).await;
    process.send_sigterm();
    process.wait_for_log("new connections are refused");
    let told = Instant::now();
    process.send_sigterm();
    assert_eq!(process.wait().code(), Some(0));
    // For so long it would wait for the body.
    assert!(told.elapsed() < Duration::from_secs(8), "{:?}", told.elapsed());
}

#[actix_web::test]
async fn a_second_signal_ends_the_delay() {
    let data = temp_dir();
    let (mut process, client) = start(&data, &[("SHUTDOWN_DELAY", "600")]).await;
    process.send_sigterm();
    client.wait_for_status("/readyz", 503).await;
    process.send_sigterm();
    assert_eq!(process.wait().code(), Some(0));
}
