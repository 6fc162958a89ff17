"""The revocation feed beyond the vectors: forks, threads that die, memory, secrets, the start."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from support import HttpServer, read_request, wait_until

from auth_verifier import Feed, FetchError, NotReady, Refusal, Verifier, VerifyError
from auth_verifier import revocations as revocations_module
from auth_verifier.encoding import decode_base64url, parse_object
from auth_verifier.sse import FeedParser
from auth_verifier.testing import TestIssuer

CAUGHT_UP = "event: caught-up\ndata: {}\n\n"


class FeedServer(HttpServer):
    """A feed. Each connection gets the whole text so far, and then what is sent."""

    def __init__(self) -> None:
        self.text = CAUGHT_UP
        self.is_open = True
        self.status = 200
        super().__init__()

    def verifier(self, issuer: TestIssuer, outage: str = "closed", secret: str = "s") -> Verifier:
        feed = Feed("reports-api", secret, f"{self.url}/revocations")
        return Verifier(
            issuer.issuer, audience="api", jwks=issuer.jwks(), feed=feed, outage=outage,
            clock=issuer.clock,
        )  # fmt: skip

    def end(self, token: str) -> None:
        sid = parse_object(decode_base64url(token.split(".")[1]))["sid"]
        self.text += f'event: revoked\ndata: {{"sid":"{sid}","until":9999999999}}\n\n'

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            self.requests.append(read_request(connection))
            sent = 0
            try:
                connection.sendall(
                    f"HTTP/1.1 {self.status} X\r\nConnection: close\r\n\r\n".encode()
                )
                while self.is_open and self.status == 200:
                    connection.sendall((self.text[sent:] or ":\n\n").encode())
                    sent = len(self.text)
                    time.sleep(0.01)
            except OSError:
                pass  # the verifier has closed the connection


@pytest.fixture
def feed() -> Iterator[FeedServer]:
    server = FeedServer()
    yield server
    server.is_open = False
    server.close()


def reason(verifier: Verifier, token: str) -> Refusal | None:
    try:
        verifier.verify(token)
    except VerifyError as error:
        return error.reason
    return None


def test_a_forked_process_follows_the_feed_by_itself(
    feed: FeedServer, token_issuer: TestIssuer
) -> None:
    verifier = feed.verifier(token_issuer)
    verifier.ready()
    before, after, kept = (token_issuer.token() for _ in range(3))
    feed.end(before)
    wait_until("the end", lambda: reason(verifier, before) is Refusal.REVOKED)
    ready, parent = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        # The parent's sessions are known at once, and the feed is not followed yet.
        is_right = reason(verifier, before) is Refusal.REVOKED
        is_right &= reason(verifier, kept) in (Refusal.REVOCATIONS_UNAVAILABLE, None)
        wait_until("the feed", lambda: reason(verifier, kept) is None)
        os.write(parent, b"r")
        wait_until("the end", lambda: reason(verifier, after) is Refusal.REVOKED)
        os._exit(0 if is_right else 1)
    os.read(ready, 1)
    connections = len(feed.requests)
    feed.end(after)
    wait_until("the end", lambda: reason(verifier, after) is Refusal.REVOKED)
    assert os.waitpid(child, 0)[1] == 0
    # The child's connection is its own, and the parent has kept the first one.
    assert connections == 2
    assert verifier.feed_state is not None and verifier.feed_state.reconnects == 0


def test_a_forked_process_restarts_also_without_the_hook_of_the_fork(
    feed: FeedServer, token_issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = feed.verifier(token_issuer)
    verifier.ready()
    # As in a process that uWSGI has forked: another id, and no hook has run.
    real = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: real + 1)
    token = token_issuer.token()
    reason(verifier, token)
    wait_until("the second connection", lambda: len(feed.requests) == 2)
    wait_until("the feed", lambda: reason(verifier, token) is None)


def test_a_fork_while_threads_use_the_verifier_does_not_hang(
    feed: FeedServer, token_issuer: TestIssuer
) -> None:
    verifier = feed.verifier(token_issuer)
    verifier.ready()
    tokens = [token_issuer.token() for _ in range(50)]
    is_done = threading.Event()

    def work() -> None:
        while not is_done.is_set():
            for token in tokens:
                verifier.verify(token)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            child = os.fork()
            if child == 0:
                signal.alarm(20)
                try:
                    wait_until("the feed", lambda: reason(verifier, tokens[0]) is None)
                    os._exit(0)
                finally:
                    os._exit(1)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        is_done.set()
        for thread in threads:
            thread.join()


def test_a_fork_waits_for_the_resolver_of_another_thread(
    monkeypatch: pytest.MonkeyPatch, feed: FeedServer, token_issuer: TestIssuer
) -> None:
    resolves, may_end = threading.Event(), threading.Event()
    real = socket.getaddrinfo

    def slow(*args: Any, **kwargs: Any) -> Any:
        resolves.set()
        may_end.wait(10)
        return real(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    verifier = feed.verifier(token_issuer)
    assert resolves.wait(10)
    threading.Timer(0.2, may_end.set).start()
    child = os.fork()
    if child == 0:
        os._exit(0)
    assert may_end.is_set()
    assert os.waitpid(child, 0)[1] == 0
    wait_until("the feed", lambda: verifier.is_ready)


def test_a_feed_whose_thread_has_died_is_not_current(
    feed: FeedServer, token_issuer: TestIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = feed.verifier(token_issuer)
    verifier.ready()
    assert verifier._follower is not None and verifier._revocations is not None
    # Without its own notice: the state still says that it follows the feed.
    monkeypatch.setattr(verifier._revocations, "record_current", lambda: None)
    monkeypatch.setattr(verifier._revocations, "record_disconnect", lambda why: None)
    monkeypatch.setattr(revocations_module, "_DEAD", 0.05)
    token = token_issuer.token()
    wait_until("outage", lambda: reason(verifier, token) is Refusal.REVOCATIONS_UNAVAILABLE)


def test_the_threads_end_with_the_verifier(feed: FeedServer, token_issuer: TestIssuer) -> None:
    # Verifiers of other tests may still run.
    others = set(threading.enumerate())

    def threads() -> int:
        mine = set(threading.enumerate()) - others
        return sum(thread.name == "auth-verifier-feed" for thread in mine)

    verifier = feed.verifier(token_issuer)
    verifier.ready()
    assert threads() == 1
    dropped = weakref.ref(verifier)
    del verifier
    gc.collect()
    assert dropped() is None
    wait_until("no thread", lambda: threads() == 0)


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (401, "the client's id or secret is wrong"),
        (403, "the client lacks the scope revocations:read"),
        (404, "the URL names no revocation feed"),
    ],
)
def test_the_check_at_start_names_a_feed_that_refuses_the_client(
    feed: FeedServer, token_issuer: TestIssuer, status: int, meaning: str
) -> None:
    feed.status = status
    with pytest.raises(NotReady) as why:
        feed.verifier(token_issuer).ready()
    assert str(why.value) == f"{feed.url}/revocations answered {status}: {meaning}"


def test_no_log_line_and_no_text_contains_a_secret_or_a_token(
    feed: FeedServer, token_issuer: TestIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    feed.status = 401
    verifier = feed.verifier(token_issuer, secret="hunter2")
    with pytest.raises(NotReady) as why:
        verifier.ready()
    token = token_issuer.token()
    with pytest.raises(VerifyError) as refused:
        verifier.verify(token)
    wait_until("a log line", lambda: "cannot follow the revocations at" in caplog.text)
    texts = [caplog.text, str(why.value), repr(refused.value), repr(verifier.feed_state)]
    texts.append(repr(Feed("reports-api", "hunter2")))
    for text in texts:
        assert "hunter2" not in text and token.split(".")[2] not in text
    assert caplog.text.count("cannot follow the revocations at") == 1


def test_a_new_secret_is_used_for_the_next_connection(
    feed: FeedServer, token_issuer: TestIssuer
) -> None:
    feed.status = 401
    verifier = feed.verifier(token_issuer, secret="old")
    wait_until("a request", lambda: feed.requests)
    verifier.set_feed_secret("new")
    feed.status = 200
    wait_until("the feed", lambda: verifier.is_ready)
    # "reports-api:new" in base64.
    assert "Authorization: Basic cmVwb3J0cy1hcGk6bmV3" in feed.requests[-1]


@pytest.mark.parametrize("line", [b"data\n", b"data:\n", b"id: x\ndata\n"])
def test_lines_without_data_do_not_add_up_without_limit(line: bytes) -> None:
    with pytest.raises(FetchError, match="invalid response"):
        list(FeedParser().push(line * 66_000))


def test_expired_sessions_are_removed(token_issuer: TestIssuer) -> None:
    revocations = revocations_module.Revocations(
        revocations_module.OutagePolicy.parse("closed"), token_issuer.clock
    )
    now = int(token_issuer.clock.now())
    for number in range(1000):
        revocations.record(number.to_bytes(16, "big"), now + 60 + 60 * (number % 2))
    token_issuer.clock.advance(100)
    revocations.remove_expired()
    assert revocations.state().held == 500
