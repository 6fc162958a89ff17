"""HTTP requests to the issuer: without redirects, and each on a new connection."""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
import ssl
import threading
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from urllib.parse import unquote, urlsplit

from .errors import FetchError

_ERRORS = (OSError, http.client.HTTPException, ValueError)

#: Held while a name is resolved. The resolver of the C library has locks that a fork copies as they
#: are: a child that is forked meanwhile would wait forever when it resolves a name itself.
_resolving = threading.Lock()
#: Maximum time, in seconds, that a fork waits for the resolver.
_FORK_WAIT = 5.0
_fork = threading.local()


def _before_fork() -> None:
    _fork.has_lock = _resolving.acquire(timeout=_FORK_WAIT)


def _after_fork_in_parent() -> None:
    if _fork.has_lock:
        _resolving.release()


def _after_fork_in_child() -> None:
    global _resolving
    _resolving = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )


def _connect(
    address: tuple[str, int], timeout: float | None, source_address: tuple[str, int] | None = None
) -> socket.socket:
    """Like `socket.create_connection`, but does not resolve a name during a fork."""
    with _resolving:
        found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    error: OSError = OSError("no address")
    for family, kind, protocol, _, resolved in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(timeout)
            sock.connect(resolved)
            return sock
        except OSError as why:
            sock.close()
            error = why
    raise error


class Connection:
    """A request, and its answer as it arrives.

    A new connection each time: behind a balancer of connections, a kept one would lead to the same
    replica each time. `abort` can be called from another thread.
    """

    def __init__(self, url: str, headers: dict[str, str], timeout: float) -> None:
        """Connects and sends a GET. `timeout` limits each wait for the network, in seconds.

        Raises `FetchError`.
        """
        self._timeout = timeout
        self._sock: socket.socket | None = None
        self._connection, target, headers = _connection_to(url, headers, timeout)
        # The place where the standard library expects `socket.create_connection`.
        self._connection._create_connection = _connect  # type: ignore[attr-defined]
        try:
            self._connection.connect()
            # The connection forgets the socket as soon as the answer has no length.
            self._sock = self._connection.sock
            self._connection.request("GET", target, headers={**headers, "Connection": "close"})
            self._response = self._connection.getresponse()
        except _ERRORS as error:
            self.close()
            raise fetch_error(error, timeout) from error

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def status(self) -> int:
        """HTTP status of the answer."""
        return self._response.status

    def header(self, name: str) -> str | None:
        """Returns a header of the answer."""
        return self._response.headers.get(name)

    def read(self) -> bytes:
        """Returns what has arrived, or waits for more. Returns b"" at the end.

        Raises `FetchError`.
        """
        try:
            return self._response.read1(64 * 1024)
        except _ERRORS as error:
            raise fetch_error(error, self._timeout) from error

    def abort(self) -> None:
        """Ends a wait in another thread."""
        if self._sock is not None:
            try:
                self._sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # closed already

    def close(self) -> None:
        """Closes the connection."""
        if getattr(self, "_response", None) is not None:
            self._response.close()
        self._connection.close()

    def close_after_fork(self) -> None:
        """Closes the copy that a child process has. The connection of its parent stays open."""
        if self._sock is not None:
            try:
                os.close(self._sock.detach())
            except OSError:
                pass  # closed already


def get(
    url: str, etag: str | None, *, timeout: float, max_bytes: int
) -> tuple[bytes, str | None] | None:
    """Returns the body at a URL and its ETag, or `None` if the body with this `etag` is current.

    `timeout` is the maximum time of the whole request. Raises `FetchError`.
    """
    headers = {"If-None-Match": etag} if etag else {}
    with Connection(url, headers, timeout) as answer, _deadline(answer, timeout):
        if answer.status == 304 and etag:
            return None
        if answer.status != 200:
            raise unexpected_status(answer.status, url)
        body = b""
        while chunk := answer.read():
            body += chunk
            if len(body) > max_bytes:
                details = f"the answer of {url} is larger than {max_bytes} bytes"
                raise FetchError("invalid response", details=details)
        return body, answer.header("ETag")


@contextmanager
def _deadline(connection: Connection, seconds: float) -> Iterator[None]:
    """Aborts a connection after this time: a server that sends a byte a second passes every
    timeout of a socket."""
    timer = threading.Timer(seconds, connection.abort)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def unexpected_status(status: int, url: str) -> FetchError:
    """Returns the error for an answer with another status than 200."""
    text = f"unexpected status {status}"
    return FetchError(text, status=status, details=f"{url} answered {status}")


def fetch_error(error: Exception, timeout: float) -> FetchError:
    """Returns the error without addresses and other details, for a health check."""
    match error:
        case ConnectionRefusedError():
            text = "connection refused"
        case socket.gaierror():
            text = "unknown host"
        case TimeoutError():
            text = f"no answer within {timeout:g} s"
        case ssl.SSLError():
            text = "connection failed"
        case OSError() | http.client.HTTPException():
            text = "connection lost"
        case _:
            text = "invalid response"
    return FetchError(text, details=f"{text}: {error}" if str(error) else text)


def basic_auth(name: str, password: str) -> str:
    """Returns the `Authorization` header of a client (RFC 7617)."""
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


def _connection_to(
    url: str, headers: dict[str, str], timeout: float
) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """Returns a connection for a URL, or for its proxy, and the target and headers to send."""
    parts = urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    if parts.scheme not in ("http", "https") or not host:
        raise FetchError("invalid response", details=f"not a URL of HTTP: {url}")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    proxy = _proxy_for(host, parts.scheme)
    if proxy is None:
        return _connection(host, parts.port, is_tls, timeout), target, headers
    via = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    credentials = {}
    if via.username:
        user, password = unquote(via.username), unquote(via.password or "")
        credentials = {"Proxy-Authorization": basic_auth(user, password)}
    connection = _connection(via.hostname or "", via.port or 80, is_tls, timeout)
    if is_tls:
        connection.set_tunnel(host, parts.port or 443, credentials)
        return connection, target, headers
    return connection, url, {**headers, **credentials}


def _connection(
    host: str, port: int | None, is_tls: bool, timeout: float
) -> http.client.HTTPConnection:
    if is_tls:
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    return http.client.HTTPConnection(host, port, timeout=timeout)


def _proxy_for(host: str, scheme: str) -> str | None:
    """Returns the proxy that the environment names, unless the host is this machine."""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(scheme)


def is_loopback(host: str) -> bool:
    """Returns `True` if the host is this machine, which a proxy cannot reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
