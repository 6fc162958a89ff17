"""Ended sessions: received from the issuer's revocation feed, and kept in memory."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from .clock import Clock
from .errors import FetchError, Refusal, VerifyError

#: Maximum time, in seconds, that a verifier waits at its start for the past events of the feed,
#: under the outage policy that accepts tokens without the feed.
_FIRST_CATCH_UP = 10
#: Time without data, in seconds, after which a feed counts as not followed, whatever its thread
#: says: the thread leaves a silent feed after 5 seconds, so it has died.
_DEAD = 15


@dataclass(frozen=True)
class Feed:
    """The revocation feed, and the credentials of a client with the scope `revocations:read`."""

    #: Id of the client.
    client_id: str
    #: Secret of the client. `repr` does not print it.
    client_secret: str = field(repr=False)
    #: URL of the feed. Default: `/revocations` of the issuer.
    url: str | None = None


@dataclass(frozen=True)
class OutagePolicy:
    """How a verifier treats tokens while it cannot follow the feed."""

    #: Time in seconds for which tokens are accepted. `None`: until they expire.
    seconds: float | None
    #: `False` if the verifier refuses tokens at once.
    is_open: bool = True

    @classmethod
    def parse(cls, text: str) -> OutagePolicy:
        """Parses `until_expiry`, `bounded:SECONDS` or `closed`. Raises `ValueError`."""
        if text == "until_expiry":
            return cls(None)
        if text == "closed":
            return cls(0, is_open=False)
        kind, _, seconds = text.partition(":")
        if kind != "bounded" or not (seconds.isascii() and seconds.isdigit()):
            raise ValueError("must be until_expiry, bounded:SECONDS or closed")
        return cls(int(seconds))

    def __str__(self) -> str:
        if self.seconds is None:
            return "until_expiry"
        return f"bounded:{self.seconds:g}" if self.is_open else "closed"

    def accepts_after(self, silence: float) -> bool:
        """Returns `True` if tokens are accepted after this time without the feed."""
        return self.seconds is None or (self.is_open and silence < self.seconds)


@dataclass(frozen=True)
class FeedState:
    """State of the revocation feed, for metrics and health checks."""

    #: `True` while the verifier follows the feed and has received all missed events.
    is_current: bool
    #: Time in seconds since the last event or comment that left the verifier with all events.
    silent_for: float
    #: Number of ended sessions in memory.
    held: int
    #: Number of attempts to connect after the first one.
    reconnects: int
    #: Error of the last connection, or `None` while the verifier follows the feed.
    last_error: FetchError | None


class Revocations:
    """The ended sessions that a verifier knows. One thread writes, all threads read, without a
    lock: each step is one operation on a `dict` or an attribute."""

    def __init__(self, policy: OutagePolicy, clock: Clock) -> None:
        self.policy = policy
        self._clock = clock
        #: Expiry of the last token of each ended session, in seconds since the Unix epoch.
        self._ended: dict[bytes, int] = {}
        #: The different times among them, so that equal times share one object: a quarter of the
        #: memory.
        self._times: dict[int, int] = {}
        self._created = clock.monotonic()
        self._is_current = False
        #: Time of the last data, on the system's clock. A test's clock would outrun the feed.
        self._data_at = time.monotonic()
        #: Time of the last event or comment that left the verifier with all events.
        self._received_at: float | None = None
        self.reconnects = 0
        self.last_error: FetchError | None = None

    def check(self, session: bytes) -> None:
        """Raises `VerifyError` if a session has ended, or if the feed is not current and the outage
        policy refuses tokens."""
        if session in self._ended:
            raise VerifyError(Refusal.REVOKED)
        if not self.is_usable:
            raise VerifyError(Refusal.REVOCATIONS_UNAVAILABLE)

    def accepts(self, session: bytes) -> bool:
        """Returns `True` if `check` raises nothing."""
        return session not in self._ended and self.is_usable

    @property
    def is_current(self) -> bool:
        """`True` while the verifier follows the feed and has received all missed events."""
        return self._is_current and time.monotonic() - self._data_at < _DEAD

    @property
    def is_usable(self) -> bool:
        """`True` if the feed is current or the outage policy accepts tokens without it."""
        if self.is_current:
            return True
        if self._received_at is None:
            # The verifier knows of no ended session, however short the outage is.
            return self.policy.seconds is None and self.silent_for >= _FIRST_CATCH_UP
        return self.policy.accepts_after(self.silent_for)

    @property
    def silent_for(self) -> float:
        """Time in seconds since the last event or comment that left the verifier with all events,
        or since the start."""
        since = self._created if self._received_at is None else self._received_at
        return max(0.0, self._clock.monotonic() - since)

    def state(self) -> FeedState:
        """Returns the state, for metrics and health checks."""
        return FeedState(
            is_current=self.is_current,
            silent_for=self.silent_for,
            held=len(self._ended),
            reconnects=self.reconnects,
            last_error=self.last_error,
        )

    def record(self, session: bytes, until: int) -> None:
        """Records that a session has ended. `until` is the expiry of its last token."""
        self._ended[session] = self._times.setdefault(until, until)

    def record_current(self) -> None:
        """Records that the verifier has all events up to now."""
        self._received_at = self._clock.monotonic()
        self._data_at = time.monotonic()
        self._is_current = True
        self.last_error = None

    def record_disconnect(self, why: FetchError | None) -> None:
        """Records that the connection has ended. The time of the last event or comment stays: an
        outage begins there, not where the verifier notices it."""
        self._is_current = False
        self.last_error = why

    def remove_expired(self) -> None:
        """Removes the sessions whose tokens have all expired."""
        now = self._clock.now()
        # The thread that calls this is the only one that writes.
        expired = [session for session, until in self._ended.items() if until <= now]
        for session in expired:
            del self._ended[session]
        self._times = {until: until for until in self._times if until > now}
