//! A client's connection, with the limits that actix-web does not have.
//!
//! | what | limit |
//! |---|---|
//! | responses that wait because the client does not read | 10 seconds, then closed |
//! | requests that are read while responses wait | none |
//! | head of a request after the first of a connection | 5 seconds, then closed |
//!
//! actix-web itself limits the head of the first request and the idle time between two requests.
//! It reads and answers further requests while the client reads no response, and does not limit
//! the memory that these requests and responses take.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use actix_web::rt::net::TcpStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::occupancy::Occupied;

/// Maximum time until the client has read enough for all written responses to be sent.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time until the head of a request is complete: as long as for the first request of a
/// connection, which actix-web answers 408.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Number of bytes after which reading pauses until the requests in them have been handled. A
/// request of 28 bytes takes ten times as much memory.
const MAX_READ_AHEAD: usize = 8 * 1024;

/// Stream of a client's connection.
pub(crate) struct LimitedStream {
    stream: TcpStream,
    _occupied: Occupied,
    requests: Rc<ConnectionRequests>,
    /// Runs from the first byte that the system does not take until it has taken all bytes.
    write_deadline: Deadline,
    /// Whether a read was refused while the write deadline ran.
    has_refused_read: bool,
    /// Runs while the head of a request is incomplete.
    head_deadline: Deadline,
    /// Number of requests that had begun when the last byte was read.
    begun_at_read: u64,
    /// Whether bytes were read since the last flush.
    has_read: bool,
    /// Number of bytes that were read in this turn of the connection's task.
    read_ahead: usize,
}

impl LimitedStream {
    pub fn new(stream: TcpStream, occupied: Occupied) -> Self {
        let requests = ConnectionRequests {
            may_have_waited: occupied.may_have_waited(),
            ..ConnectionRequests::default()
        };
        Self {
            stream,
            _occupied: occupied,
            requests: Rc::new(requests),
            write_deadline: Deadline::new(WRITE_TIMEOUT),
            has_refused_read: false,
            head_deadline: Deadline::new(HEAD_TIMEOUT),
            begun_at_read: 0,
            has_read: false,
            read_ahead: 0,
        }
    }

    /// Returns the requests of this connection.
    pub fn requests(&self) -> Rc<ConnectionRequests> {
        Rc::clone(&self.requests)
    }

    /// Returns an error if a deadline has passed. `Pending` if the client must read first.
    fn poll_may_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.write_deadline.is_running() {
            self.has_refused_read = true;
            self.write_deadline.check(context)?;
            return Poll::Pending;
        }
        if self.requests.begun.get() > self.begun_at_read {
            self.head_deadline.stop();
        }
        if self.head_deadline.is_running() {
            self.head_deadline.check(context)?;
        }
        if self.read_ahead >= MAX_READ_AHEAD {
            self.read_ahead = 0;
            self.requests.has_unread_bytes.set(true);
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }

    /// Starts the head deadline if the bytes that were read contain no complete head.
    fn watch_head(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let begun = self.requests.begun.get();
        let is_first = begun == 0;
        let is_complete = begun > self.begun_at_read || self.requests.in_progress.get() > 0;
        if is_first || is_complete { Ok(()) } else { self.head_deadline.check(context) }
    }
}

impl AsyncRead for LimitedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_may_read(context))?;
        let filled = buffer.filled().len();
        this.requests.has_unread_bytes.set(false);
        let outcome = Pin::new(&mut this.stream).poll_read(context, buffer);
        match buffer.filled().len() - filled {
            0 => {
                this.read_ahead = 0;
                if matches!(outcome, Poll::Ready(Ok(()))) {
                    this.requests.is_closed_by_client.set(true);
                }
            }
            count => {
                this.read_ahead += count;
                this.has_read = true;
                this.begun_at_read = this.requests.begun.get();
            }
        }
        outcome
    }
}

impl AsyncWrite for LimitedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.stream).poll_write(context, bytes);
        if outcome.is_pending() {
            this.write_deadline.check(context)?;
        }
        outcome
    }

    /// actix-web flushes when the system has taken all bytes, in every turn of the connection's
    /// task, after it has parsed what it has read.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.write_deadline.stop();
        if std::mem::take(&mut this.has_refused_read) {
            context.waker().wake_by_ref();
        }
        if std::mem::take(&mut this.has_read) {
            this.watch_head(context)?;
        }
        Pin::new(&mut this.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Counts the requests of one connection. The middleware of the module `request_log` reports them.
#[derive(Debug, Default)]
pub(crate) struct ConnectionRequests {
    begun: Cell<u64>,
    in_progress: Cell<u64>,
    /// Whether the last read was refused because many bytes had been read before.
    has_unread_bytes: Cell<bool>,
    is_closed_by_client: Cell<bool>,
    /// Whether the connection may have waited to be accepted for longer than a client waits.
    may_have_waited: bool,
}

impl ConnectionRequests {
    /// Returns whether the system may have further bytes, or the end of the connection.
    pub fn has_unread_bytes(&self) -> bool {
        self.has_unread_bytes.get()
    }

    /// Returns whether the client has closed its side of the connection, as far as it was read.
    pub fn is_closed_by_client(&self) -> bool {
        self.is_closed_by_client.get()
    }

    /// Returns whether the request that has begun last came with the connection, and the connection
    /// may have waited for longer than a client waits.
    pub fn may_have_waited(&self) -> bool {
        self.may_have_waited && self.begun.get() <= 1
    }

    /// Records that a request has begun, and that it has ended when the returned value is dropped.
    pub fn begin(self: &Rc<Self>) -> ConnectionRequest {
        self.begun.set(self.begun.get() + 1);
        self.in_progress.set(self.in_progress.get() + 1);
        ConnectionRequest(Rc::clone(self))
    }
}

/// A request whose handler runs.
pub(crate) struct ConnectionRequest(Rc<ConnectionRequests>);

impl Drop for ConnectionRequest {
    fn drop(&mut self) {
        self.0.in_progress.set(self.0.in_progress.get() - 1);
    }
}

/// A time limit that is started by the first check. Most connections never need one.
struct Deadline {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    fn new(limit: Duration) -> Self {
        Self { limit, timer: None }
    }

    fn is_running(&self) -> bool {
        self.timer.is_some()
    }

    fn stop(&mut self) {
        self.timer = None;
    }

    /// Starts the deadline if it does not run, and wakes the task when it passes.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] if it has passed.
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(self.limit)));
        match timer.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}
