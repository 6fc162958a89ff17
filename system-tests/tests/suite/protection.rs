//! Clients that hold connections without sending requests: thousands of idle connections, and slow
//! writers. Other clients are still served.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use test_support::{Client, Process, TempDir, program, sized, temp_dir};

/// An auth-service with embedded stores.
struct Service {
    process: Process,
    client: Client,
    _folder: TempDir,
}

impl Service {
    fn start(settings: &[(&str, &str)]) -> Self {
        let folder = temp_dir();
        let data = folder.path().display().to_string();
        let mut env =
            vec![("DATA_DIR", data.as_str()), ("BCRYPT_COST", "10"), ("RUST_LOG", "info")];
        env.extend(settings);
        let process = Process::start(&program("auth-service"), 1, &env);
        let client = Client::new(process.addr(0));
        Self { process, client, _folder: folder }
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.process.addr(0)).expect("a connection")
    }
}

/// Asserts that a client can register, log in, refresh and log out. Returns the duration of the
/// slowest step.
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

/// Reads until the service closes the connection.
fn read_to_end(mut stream: TcpStream) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    if let Err(error) = stream.read_to_end(&mut Vec::new()) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the connection is still open");
    }
}

/// Returns the number of files that this process may open.
fn max_open_files() -> usize {
    let text = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1024)
}

#[tokio::test]
async fn idle_connections_block_no_other_client_and_are_closed() {
    let service = Service::start(&[]);
    let most = 10_000.min(max_open_files() * 4 / 5);
    let count = sized(500, most, most);
    let idle: Vec<TcpStream> = (0..count).map(|_| service.connect()).collect();
    let slowest = assert_served(&service.client, "ada").await;
    println!("with {count} idle connections, the slowest step of another client took {slowest:?}");
    for stream in idle {
        read_to_end(stream);
    }
}

#[tokio::test]
async fn slow_writers_block_no_other_client_and_are_disconnected() {
    let service = Service::start(&[]);
    let addr = service.process.addr(0);
    let slow_head = "POST /login HTTP/1.1\r\nHost: auth\r\nX-Slow: ";
    let slow_body = "POST /login HTTP/1.1\r\nHost: auth\r\nContent-Type: application/json\r\n\
                     Content-Length: 1000\r\n\r\n{";
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(write_slowly(addr, &[slow_head, slow_body])));
    let slowest = assert_served(&service.client, "ada").await;
    println!("with 200 slow writers, the slowest step of another client took {slowest:?}");
    let longest = receiver.recv_timeout(Duration::from_secs(60));
    println!("the last slow writer was disconnected after {:?}", longest.expect("disconnected"));
    // The service has closed the idle connection of the first client.
    assert_served(&Client::new(addr), "grace").await;
}

/// Opens 200 connections, with each of these beginnings in turn, and adds a byte to each again and
/// again, until the service has closed all. Returns the time until then.
fn write_slowly(addr: SocketAddr, beginnings: &[&str]) -> Duration {
    let began = Instant::now();
    let open = |beginning: &&str| {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.write_all(beginning.as_bytes()).unwrap();
        stream.set_nonblocking(true).unwrap();
        stream
    };
    let mut streams: Vec<TcpStream> = beginnings.iter().cycle().take(200).map(open).collect();
    while !streams.is_empty() {
        streams.retain_mut(|stream| !is_closed(stream) && stream.write(b"x").is_ok());
        thread::sleep(Duration::from_millis(200));
    }
    began.elapsed()
}

fn is_closed(stream: &mut TcpStream) -> bool {
    let is_end = matches!(stream.read(&mut [0; 1024]), Ok(0) | Err(_));
    let would_block = |error: std::io::Error| error.kind() == ErrorKind::WouldBlock;
    is_end && !stream.peek(&mut [0]).is_err_and(would_block)
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_until_one_is_closed() {
    let service = Service::start(&[("MAX_CONNECTIONS", "4"), ("AUTH_WORKERS", "2")]);
    let mut idle: Vec<TcpStream> = (0..8).map(|_| service.connect()).collect();
    let began = Instant::now();
    // The request waits until the service has closed idle connections.
    assert_eq!(service.client.get("/healthz", None).await.status, 200);
    assert!(began.elapsed() > Duration::from_secs(1), "the request did not wait");
    read_to_end(idle.remove(0));
}
