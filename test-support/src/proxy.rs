//! A TCP proxy that can be cut: how a test takes a database away that other tests use.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    Cut,
}

struct Shared {
    server: String,
    mode: Mode,
    open: Vec<TcpStream>,
    /// Of the connections that are open now.
    frozen: Arc<AtomicBool>,
    /// How many connections have been forwarded.
    forwarded: usize,
}

/// Forwards connections to a server until it is cut.
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Proxy {
    /// Forwards to the server at this address.
    pub fn to(server: impl Into<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (server, mode, open) = (server.into(), Mode::Pass, Vec::new());
        let shared = Shared { server, mode, open, frozen: Arc::default(), forwarded: 0 };
        let shared = Arc::new(Mutex::new(shared));
        let state = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut state = state.lock().unwrap();
                if state.mode == Mode::Pass
                    && let Ok(upstream) = TcpStream::connect(&state.server)
                {
                    state.forwarded += 1;
                    state.open.extend([client.try_clone().unwrap(), upstream.try_clone().unwrap()]);
                    let frozen = Arc::clone(&state.frozen);
                    pump(client.try_clone().unwrap(), upstream.try_clone().unwrap(), Arc::clone(&frozen));
                    pump(upstream, client, frozen);
                }
            }
        });
        Self { addr, shared }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Forwards new connections to the server at this address, and leaves those that are open as they are.
    pub fn lead_to(&self, server: impl Into<String>) {
        self.shared.lock().unwrap().server = server.into();
    }

    /// Closes every connection, and each new one at once.
    pub fn cut(&self) {
        let mut shared = self.shared.lock().unwrap();
        shared.mode = Mode::Cut;
        for stream in shared.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Forwards nothing more on the connections that are open, which stay so, and everything on new ones: how it looks
    /// when a server has failed over.
    pub fn freeze(&self) {
        self.shared.lock().unwrap().frozen.store(true, Ordering::SeqCst);
        self.shared.lock().unwrap().frozen = Arc::default();
    }

    /// Forwards nothing more, neither on the connections that are open nor on new ones: how a network looks that loses
    /// everything.
    pub fn swallow(&self) {
        self.shared.lock().unwrap().frozen.store(true, Ordering::SeqCst);
    }

    /// Forwards again, on new connections.
    pub fn mend(&self) {
        let mut shared = self.shared.lock().unwrap();
        shared.mode = Mode::Pass;
        if shared.frozen.load(Ordering::SeqCst) {
            shared.frozen = Arc::default();
        }
    }

    /// How many connections it has forwarded so far.
    pub fn forwarded(&self) -> usize {
        self.shared.lock().unwrap().forwarded
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, frozen: Arc<AtomicBool>) {
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            // What is swallowed was received, as far as its sender can tell.
            if !frozen.load(Ordering::SeqCst) && to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
