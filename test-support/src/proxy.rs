//! A TCP proxy that can be cut: how a test takes a database away that other tests use.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    Cut,
}

struct Shared {
    mode: Mode,
    open: Vec<TcpStream>,
}

/// Forwards connections to a server until it is cut.
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

impl Proxy {
    /// Forwards to the server at this address.
    pub fn to(server: impl Into<String>) -> Self {
        let server = server.into();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared { mode: Mode::Pass, open: Vec::new() }));
        let state = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut state = state.lock().unwrap();
                if state.mode == Mode::Pass
                    && let Ok(upstream) = TcpStream::connect(&server)
                {
                    state.open.extend([client.try_clone().unwrap(), upstream.try_clone().unwrap()]);
                    pump(client.try_clone().unwrap(), upstream.try_clone().unwrap());
                    pump(upstream, client);
                }
            }
        });
        Self { addr, shared }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Closes every connection, and each new one at once.
    pub fn cut(&self) {
        let mut shared = self.shared.lock().unwrap();
        shared.mode = Mode::Cut;
        for stream in shared.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Forwards again.
    pub fn mend(&self) {
        self.shared.lock().unwrap().mode = Mode::Pass;
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
