//! Session state in a Redis that is wiped, restarted, slow, or loses a connection.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use shared::{claims::SessionId, clock::Clock};
use test_support::RedisServer;
use tokio::{
    runtime::Builder,
    sync::{mpsc, oneshot},
    time::sleep,
};

use super::test_state::{FIRST, TestState};
use crate::{
    domain::refresh_decision::{SessionEntry, Watermark},
    redis::{NO_CERTIFICATES, Server},
    session_state::{Answering, RedisSessionState, SessionState, SessionStateError},
};

#[actix_web::test]
async fn wipe_during_a_rebuild_is_detected() {
    let server = RedisServer::start();
    let state = TestState::on_server(&server).session_state;
    let rebuild = state.begin_rebuild().await.unwrap();
    server.wipe();
    let finished = state.finish_rebuild(rebuild).await;
    assert!(matches!(finished, Err(SessionStateError::Incomplete)));
    assert!(!state.is_complete(Answering::Yes).await.unwrap());
}

#[actix_web::test]
async fn restarted_redis_is_incomplete_despite_its_marker() {
    let mut server = RedisServer::start();
    let state = TestState::on_server(&server).complete().await.session_state;
    assert!(state.is_complete(Answering::Yes).await.unwrap());
    server.stop();
    server.restart();
    assert!(state.is_complete(Answering::Yes).await.is_err(), "the connection was cut");
    assert!(!state.is_complete(Answering::Yes).await.unwrap());
}

#[actix_web::test]
async fn refresh_is_not_carried_out_after_the_caller_has_given_up() {
    let server = RedisServer::start();
    let state = TestState::redis_at(&server.url(), Duration::from_millis(300)).complete().await;
    assert!(state.session_state.is_complete(Answering::Yes).await.unwrap());
    let sid = state.begin().await;
    server.pause();
    let given_up = state.decide(state.attempt(sid, FIRST)).await;
    assert!(matches!(given_up, Err(SessionStateError::TimedOut)), "{given_up:?}");
    server.unpause();
    // Redis runs commands in order: an answer to this command means the refresh was refused.
    while state.entry(sid).await.is_err() {}
    let first = SessionEntry::Alive(Watermark::default());
    assert_eq!(state.entry(sid).await.unwrap(), Some(first));
}

#[actix_web::test]
async fn broken_connection_of_an_idle_thread_is_detected() {
    let server = RedisServer::start();
    let state = Arc::new(per_thread_session_state(&server));
    let rebuild = state.begin_rebuild().await.unwrap();
    state.finish_rebuild(rebuild).await.unwrap();
    let first = connections_that_last_sent(&server, "evalsha");
    let mut reader = IdleReader::start(&state);
    // The reader uses the first connection until its own is open.
    let connection_of_reader = loop {
        reader.wait_for_read().await;
        let connections = connections_that_last_sent(&server, "mget");
        if let Some(id) = connections.into_iter().find(|id| !first.contains(id)) {
            break id;
        }
    };
    reader.make_idle().await;
    assert_eq!(state.connection_epoch(), 0);
    server.query::<usize>(&["CLIENT", "KILL", "ID", &connection_of_reader]);
    let deadline = Instant::now() + Duration::from_secs(10);
    while state.connection_epoch() == 0 {
        assert!(Instant::now() < deadline, "the broken connection is not detected");
        assert!(state.is_complete(Answering::Yes).await.unwrap());
    }
    reader.end();
}

/// Returns session state with more connections than this process has threads.
fn per_thread_session_state(server: &RedisServer) -> SessionState {
    let server = Server::parse(&server.url(), &NO_CERTIFICATES).unwrap();
    let timeout = Duration::from_secs(5);
    SessionState::Redis(RedisSessionState::new(server, "", timeout, Clock::system(), 1024))
}

/// Returns the ids of the connections whose last command was `command`.
fn connections_that_last_sent(server: &RedisServer, command: &str) -> Vec<String> {
    let clients: String = server.query(&["CLIENT", "LIST"]);
    let field = format!("cmd={command}");
    let senders = clients.lines().filter(|client| client.contains(&field));
    senders.map(|client| client.split(['=', ' ']).nth(1).unwrap().to_owned()).collect()
}

/// A thread that reads entries, then keeps its connection and does nothing.
struct IdleReader {
    thread: thread::JoinHandle<()>,
    reads: mpsc::UnboundedReceiver<()>,
    is_idle: oneshot::Receiver<()>,
    end: oneshot::Sender<()>,
}

impl IdleReader {
    fn start(state: &Arc<SessionState>) -> Self {
        let state = Arc::clone(state);
        let (read, reads) = mpsc::unbounded_channel();
        let (idle, is_idle) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let epoch = state.connection_epoch();
                while !read.is_closed() {
                    state.entry(epoch, SessionId::generate()).await.unwrap();
                    let _ = read.send(());
                    sleep(Duration::from_millis(5)).await;
                }
                idle.send(()).unwrap();
                ended.await.unwrap();
            });
        });
        Self { thread, reads, is_idle, end }
    }

    async fn wait_for_read(&mut self) {
        self.reads.recv().await.unwrap();
    }

    async fn make_idle(&mut self) {
        self.reads.close();
        (&mut self.is_idle).await.unwrap();
    }

    fn end(self) {
        self.end.send(()).unwrap();
        self.thread.join().unwrap();
    }
}
