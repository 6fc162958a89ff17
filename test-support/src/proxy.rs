//! A TCP proxy. A test cuts the proxy to make a shared server unreachable for one service only.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

struct State {
    /// Servers that new connections are forwarded to, in turn.
    servers: Vec<String>,
    is_cut: bool,
    open: Vec<TcpStream>,
    /// Whether the proxy discards the bytes of the connections that share this flag.
    black_hole: Arc<AtomicBool>,
    connections: usize,
}

/// A proxy that forwards connections to a server until it is cut.
pub struct Proxy {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Proxy {
    /// Starts a proxy to the server at this address.
    pub fn to(server: impl Into<String>) -> Self {
        Self::in_turn(vec![server.into()])
    }

    /// Starts a proxy that balances connections, not requests: each new connection goes to the next
    /// of the servers at these addresses.
    pub fn in_turn(servers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            servers,
            is_cut: false,
            open: Vec::new(),
            black_hole: Arc::default(),
            connections: 0,
        }));
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.lock().unwrap().accept(client);
            }
        });
        Self { addr, state }
    }

    /// Returns the address that the proxy listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Forwards new connections to the server at this address. Open connections stay as they are.
    pub fn redirect_to(&self, server: impl Into<String>) {
        self.state().servers = vec![server.into()];
    }

    /// Closes all connections, and each new one at once.
    pub fn cut(&self) {
        let mut state = self.state();
        state.is_cut = true;
        for stream in state.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Discards all further bytes of the open connections, which stay open, and forwards new ones:
    /// the behaviour of a network after a failover of the server.
    pub fn blackhole_open(&self) {
        let mut state = self.state();
        state.black_hole.store(true, Ordering::SeqCst);
        state.black_hole = Arc::default();
    }

    /// Discards all further bytes of open and new connections: the behaviour of a network that
    /// loses every packet.
    pub fn blackhole_all(&self) {
        self.state().black_hole.store(true, Ordering::SeqCst);
    }

    /// Forwards new connections again.
    pub fn restore(&self) {
        let mut state = self.state();
        state.is_cut = false;
        if state.black_hole.load(Ordering::SeqCst) {
            state.black_hole = Arc::default();
        }
    }

    /// Returns the number of connections that the proxy has tried to forward so far.
    pub fn connection_count(&self) -> usize {
        self.state().connections
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl State {
    fn accept(&mut self, client: TcpStream) {
        if self.is_cut {
            return;
        }
        let server = &self.servers[self.connections % self.servers.len()];
        self.connections += 1;
        let Ok(server) = TcpStream::connect(server) else { return };
        self.open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
        let to_server = (client.try_clone().unwrap(), server.try_clone().unwrap());
        for (from, to) in [to_server, (server, client)] {
            forward(from, to, Arc::clone(&self.black_hole));
        }
    }
}

fn forward(mut from: TcpStream, mut to: TcpStream, black_hole: Arc<AtomicBool>) {
    thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            // The sender cannot tell that the bytes are discarded.
            if !black_hole.load(Ordering::SeqCst) && to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    });
}
