//! Clients that take and give nothing: thousands of idle connections, and writers that never finish. Honest ones are served.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use test_support::{Client, Process, TempDir, program, sized, temp_dir};

/// An auth-service on its embedded defaults.
fn auth_service(settings: &[(&str, &str)]) -> (Process, Client, TempDir) {
    let folder = temp_dir();
    let data = folder.path().display().to_string();
    let mut env = vec![("DATA_DIR", data.as_str()), ("BCRYPT_COST", "10"), ("RUST_LOG", "info")];
    env.extend(settings);
    let process = Process::start(&program("auth-service"), 1, &env);
    let client = Client::new(process.addr(0));
    (process, client, folder)
}

/// An honest client's whole way, and how long its slowest request took.
async fn assert_served(client: &Client, name: &str) -> Duration {
    let mut slowest = Duration::ZERO;
    let mut began = Instant::now();
    let mut lap = || {
        slowest = slowest.max(began.elapsed());
        began = Instant::now();
        slowest
    };
    let tokens = client.new_user(name).await;
    lap();
    let tokens = client.refreshed(&tokens.refresh).await;
    lap();
    assert_eq!(client.get("/me", Some(&tokens.access)).await.status, 200);
    lap();
    assert_eq!(client.logout(&tokens).await.status, 204);
    lap()
}

/// Waits until the service has closed a connection, and returns what it said.
fn until_closed(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut text = Vec::new();
    if let Err(why) = stream.read_to_end(&mut text) {
        assert_eq!(why.kind(), ErrorKind::ConnectionReset, "it is still open");
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// How many files this system lets a process open.
fn open_files() -> usize {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1024)
}

#[tokio::test]
async fn idle_connections_keep_nobody_away_and_are_closed() {
    let (process, client, _folder) = auth_service(&[]);
    let most = 10_000.min(open_files() * 4 / 5);
    let count = sized(500, most, most);
    let idle: Vec<TcpStream> =
        (0..count).map(|_| TcpStream::connect(process.addr(0)).expect("a connection")).collect();
    let slowest = assert_served(&client, "ada").await;
    println!("beside {count} idle connections an honest client's slowest request took {slowest:?}");
    for stream in idle {
        until_closed(stream);
    }
}

#[tokio::test]
async fn slow_writers_keep_nobody_away_and_are_cut() {
    let (process, client, _folder) = auth_service(&[]);
    let addr = process.addr(0);
    let heads = "POST /login HTTP/1.1\r\nHost: auth\r\nX-Slow: ";
    let bodies = "POST /login HTTP/1.1\r\nHost: auth\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
    let (dribbled, cut) = std::sync::mpsc::channel();
    std::thread::spawn(move || dribbled.send(dribble(addr, &[heads, bodies])));
    let slowest = assert_served(&client, "ada").await;
    println!("beside 200 slow writers an honest client's slowest request took {slowest:?}");
    let longest = cut.recv_timeout(Duration::from_secs(60)).expect("all of them cut");
    println!("the last of them was cut after {longest:?}");
    // A connection of its own: that one was idle for too long.
    assert_served(&Client::new(addr), "grace").await;
}

/// Opens 200 connections, half of them with each beginning, and adds a byte to each again and again, until all are closed.
fn dribble(addr: SocketAddr, beginnings: &[&str]) -> Duration {
    let began = Instant::now();
    let mut open: Vec<TcpStream> = beginnings
        .iter()
        .cycle()
        .take(200)
        .map(|beginning| {
            let mut stream = TcpStream::connect(addr).unwrap();
            stream.write_all(beginning.as_bytes()).unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .collect();
    while !open.is_empty() {
        open.retain_mut(|stream| {
            let is_closed = matches!(stream.read(&mut [0; 1024]), Ok(0) | Err(_))
                && !matches!(stream.peek(&mut [0]), Err(why) if why.kind() == ErrorKind::WouldBlock);
            !is_closed && stream.write(b"x").is_ok()
        });
        std::thread::sleep(Duration::from_millis(200));
    }
    began.elapsed()
}

#[tokio::test]
async fn more_connections_than_allowed_wait_until_one_is_closed() {
    let (process, client, _folder) = auth_service(&[("MAX_CONNECTIONS", "4"), ("AUTH_WORKERS", "2")]);
    let mut idle: Vec<TcpStream> =
        (0..8).map(|_| TcpStream::connect(process.addr(0)).expect("a connection")).collect();
    let began = Instant::now();
    // It waits behind them, for as long as a connection may say nothing.
    assert_eq!(client.get("/healthz", None).await.status, 200);
    assert!(began.elapsed() > Duration::from_secs(1), "nobody had to wait");
    until_closed(idle.remove(0));
}
