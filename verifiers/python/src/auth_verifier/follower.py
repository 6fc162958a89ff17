"""The thread that follows the revocation feed, and connects again after every error."""

from __future__ import annotations

import logging
import os
import random
import threading
import time

from .errors import FetchError
from .http import Connection, basic_auth, unexpected_status
from .revocations import Feed, Revocations
from .sse import CaughtUp, Ended, FeedParser

log = logging.getLogger("auth_verifier")

#: Maximum time without data, in seconds. The issuer sends a comment after 3 seconds.
_SILENCE = 5.0
#: First and longest pause before a new connection, in seconds. The pause doubles each time.
_FIRST_RETRY, _LAST_RETRY = 0.1, 2.0
#: Minimum length of an outage that is logged, in seconds. A replica of the issuer that shuts down
#: closes its feeds, and a new connection reaches another replica at once.
_LOGGED_OUTAGE = 1.0
#: Time between two removals of expired sessions, in seconds.
_CLEANUP = 30.0


class _Silent(FetchError):
    """The feed has sent no data for a while."""


class Follower:
    """Follows the revocation feed until it is stopped."""

    def __init__(self, feed: Feed, url: str, revocations: Revocations) -> None:
        #: The secret for the next connection.
        self.secret = feed.client_secret
        self.url = url
        self._client_id = feed.client_id
        self._revocations = revocations
        #: Id of the last received event, where the next connection starts.
        self._last_event_id: str | None = None
        self._connection: Connection | None = None
        self._stopped = threading.Event()
        #: Process of the thread and of its connection.
        self._pid = os.getpid()

    def start(self) -> None:
        """Starts the thread."""
        thread = threading.Thread(target=self._run, name="auth-verifier-feed", daemon=True)
        thread.start()

    def stop(self) -> None:
        """Ends the thread. Its connection closes."""
        self._stopped.set()
        # A process that was forked must not end the connection of its parent.
        if self._connection is not None and self._pid == os.getpid():
            self._connection.abort()

    def restart_after_fork(self) -> None:
        """Starts the thread of a child process. It has the ended sessions of its parent, and not
        those that end until it has connected: until then, the outage policy decides."""
        if self._connection is not None:
            self._connection.close_after_fork()
            self._connection = None
        self._stopped = threading.Event()
        self._pid = os.getpid()
        self._revocations.record_disconnect(None)
        self.start()

    def _run(self) -> None:
        stopped = self._stopped
        retry = _FIRST_RETRY
        began, is_logged = time.monotonic(), False
        while True:
            error = self._follow_once()
            if stopped.is_set():
                return
            if self._revocations.is_current:
                retry = _FIRST_RETRY
                began, is_logged = time.monotonic(), False
            self._revocations.record_disconnect(error)
            is_long = time.monotonic() - began >= _LOGGED_OUTAGE
            if (is_long or isinstance(error, _Silent)) and not is_logged:
                is_logged = True
                policy = self._revocations.policy
                log.warning(
                    "cannot follow the revocations at %s: %s; outage policy: %s",
                    self.url, error.details, policy,
                )  # fmt: skip
            # 50 % to 100 %, so that services that lost one issuer at the same time do not connect
            # at the same time.
            if stopped.wait(retry * random.uniform(0.5, 1.0)):
                return
            retry = min(retry * 2, _LAST_RETRY)
            self._revocations.reconnects += 1

    def _follow_once(self) -> FetchError:
        """Follows one connection. Returns why it has ended."""
        try:
            with self._connect() as connection:
                self._connection = connection
                if connection.status != 200:
                    return unexpected_status(connection.status, self.url)
                self._receive(connection)
        except FetchError as error:
            return error
        except Exception as error:
            # The thread must not end: the verifier would miss every later logout.
            log.exception("an unexpected error of the revocation feed")
            return FetchError("invalid response", details=repr(error))
        finally:
            self._connection = None
        return FetchError("connection lost")

    def _connect(self) -> Connection:
        """Requests the feed, starting after the last received event."""
        headers = {"Authorization": basic_auth(self._client_id, self.secret)}
        headers["Accept"] = "text/event-stream"
        if self._last_event_id is not None:
            headers["Last-Event-ID"] = self._last_event_id
        return Connection(self.url, headers, _SILENCE)

    def _receive(self, connection: Connection) -> None:
        """Records the events of a connection until it ends."""
        parser = FeedParser()
        is_caught_up = False
        last_cleanup = time.monotonic()
        while chunk := self._next_chunk(connection):
            for event in parser.push(chunk):
                if isinstance(event, Ended):
                    self._record(event)
                elif isinstance(event, CaughtUp):
                    log.info("following the revocations at %s", self.url)
                    is_caught_up = True
            if self._stopped.is_set():
                return
            if is_caught_up:
                self._revocations.record_current()
            if time.monotonic() - last_cleanup >= _CLEANUP:
                last_cleanup = time.monotonic()
                self._revocations.remove_expired()

    def _record(self, event: Ended) -> None:
        self._revocations.record(event.session, event.until)
        self._last_event_id = event.id if event.id is not None else self._last_event_id

    def _next_chunk(self, connection: Connection) -> bytes:
        try:
            return connection.read()
        except FetchError as error:
            if isinstance(error.__cause__, TimeoutError):
                raise _Silent(f"no data for {_SILENCE:g} s") from error
            raise
