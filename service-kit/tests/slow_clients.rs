//! Limits for clients that are slow, idle, or never read.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use actix_web::{
    Error, HttpResponse,
    web::{self, Bytes, ServiceConfig},
};
use futures_util::stream;
use prometheus_client::registry::Registry;
use service_kit::{
    connection_limits::ConnectionLimits,
    metrics::RequestMetrics,
    server::{BoundServer, ServerSettings},
    shutdown::{ShutdownSettings, ShutdownToken},
};
use socket2::{Domain, Socket, Type};
use test_support::wait_until;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// Serves these routes, with a limit for idle connections.
fn serve(
    keep_alive: u64,
    routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
) -> SocketAddr {
    let bound = BoundServer::bind(ServerSettings {
        service: "test",
        addr: ([127, 0, 0, 1], 0).into(),
        addr_setting: "TEST_ADDR",
        metrics_addr: None,
        workers: Some(1),
        limits: ConnectionLimits {
            max_connections: 100,
            keep_alive: Duration::from_secs(keep_alive),
        },
        shutdown: ShutdownSettings {
            shutdown_delay: Duration::ZERO,
            shutdown_timeout: Duration::ZERO,
        },
    });
    let bound = bound.unwrap();
    let addr = bound.addr();
    let metrics = RequestMetrics::new(&mut Registry::default());
    let running = bound.serve(metrics, ShutdownToken::new(), routes, |_| {}).unwrap();
    actix_web::rt::spawn(running.into_server());
    addr
}

/// Serves an empty response at `/`.
fn empty(app: &mut ServiceConfig) {
    app.route("/", web::get().to(HttpResponse::NoContent));
}

/// Connects with a small receive buffer, so that the client's system holds little unread data.
fn connect(addr: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&addr.into()).unwrap();
    socket.into()
}

/// Returns whether the service has closed a connection. Discards what it has sent.
fn is_closed(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match stream.read(&mut [0; 4096]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

/// Sends a request and returns the status line of the answer.
fn status_line(stream: &mut TcpStream) -> String {
    stream.set_nonblocking(false).unwrap();
    stream.write_all(REQUEST).unwrap();
    let mut answer = [0; 4096];
    let count = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..count]).lines().next().unwrap_or_default().to_owned()
}

#[actix_web::test]
async fn client_that_pipelines_and_never_reads_is_cut() {
    /// More than the systems of both sides hold: the service must have stopped to read.
    const MAX_HANDLED: usize = 20_000;
    let handled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&handled);
    let addr = serve(3600, move |app| {
        let handled = Arc::clone(&counted);
        app.route(
            "/",
            web::get().to(move || {
                handled.fetch_add(1, Ordering::Relaxed);
                async { HttpResponse::NoContent().finish() }
            }),
        );
    });
    let was_cut = Arc::new(AtomicBool::new(false));
    let has_ended = Arc::clone(&was_cut);
    let answered = Arc::clone(&handled);
    thread::spawn(move || {
        let mut stream = connect(addr);
        let requests = REQUEST.repeat(1000);
        while stream.write_all(&requests).is_ok() && answered.load(Ordering::Relaxed) < MAX_HANDLED
        {
        }
        has_ended.store(true, Ordering::Relaxed);
    });
    wait_until("the connection is closed", async || was_cut.load(Ordering::Relaxed)).await;
    let handled = handled.load(Ordering::Relaxed);
    println!("{handled} requests were handled");
    assert!(handled < MAX_HANDLED, "{handled} responses wait for a client that does not read");
}

#[actix_web::test]
async fn listener_that_never_reads_is_cut() {
    /// Records that the response of a listener has ended.
    struct Ended(Arc<AtomicBool>);
    impl Drop for Ended {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let has_ended = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&has_ended);
    let addr = serve(3600, move |app| {
        let ended = Arc::clone(&ended);
        app.route(
            "/",
            web::get().to(move || {
                let ended = Ended(Arc::clone(&ended));
                let events = stream::repeat_with(move || {
                    let _ = &ended;
                    Ok::<_, Error>(Bytes::from_static(&[b':'; 1000]))
                });
                async { HttpResponse::Ok().streaming(events) }
            }),
        );
    });
    let mut stream = connect(addr);
    stream.write_all(REQUEST).unwrap();
    wait_until("the response has ended", async || has_ended.load(Ordering::Relaxed)).await;
}

#[actix_web::test]
async fn later_request_whose_head_never_completes_is_cut() {
    let addr = serve(3600, empty);
    let mut stream = connect(addr);
    let client = thread::spawn(move || {
        assert_eq!(status_line(&mut stream), "HTTP/1.1 204 No Content");
        stream.write_all(&REQUEST[..10]).unwrap();
        stream
    });
    wait_until("the request is sent", async || client.is_finished()).await;
    let mut stream = client.join().unwrap();
    wait_until("the connection is closed", async || is_closed(&mut stream)).await;
}

#[actix_web::test]
async fn idle_connection_is_closed_after_the_setting() {
    let [mut short, mut long] = [1, 3600].map(|keep_alive| connect(serve(keep_alive, empty)));
    let client = thread::spawn(move || {
        for stream in [&mut short, &mut long] {
            assert_eq!(status_line(stream), "HTTP/1.1 204 No Content");
        }
        (short, long)
    });
    wait_until("both are answered", async || client.is_finished()).await;
    let (mut short, mut long) = client.join().unwrap();
    wait_until("the connection is closed", async || is_closed(&mut short)).await;
    let answer = thread::spawn(move || status_line(&mut long));
    wait_until("the other one is answered", async || answer.is_finished()).await;
    assert_eq!(answer.join().unwrap(), "HTTP/1.1 204 No Content");
}
