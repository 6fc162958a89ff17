"""`Verifier`: decides whether to trust an access token (RFC 8725, RFC 9068 section 4)."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, wait
from typing import Any

from .cache import Cache
from .clock import Clock
from .encoding import decode_base64url, parse_object
from .errors import FetchError, NotReady, Refusal, VerifyError
from .follower import Follower
from .keys import ALGORITHMS, KeySet
from .remote_keys import FETCH_LIMIT, IssuerMismatch, RemoteKeys
from .revocations import Feed, FeedState, OutagePolicy, Revocations
from .token import AccessToken, parse_claims

log = logging.getLogger("auth_verifier")

#: Maximum size of a token. A longer token is refused unread.
_MAX_TOKEN_BYTES = 8 * 1024
#: Time between two looks at the state, in seconds, while `Verifier.ready` waits.
_READY_POLL = 0.02

_KEY_REFUSALS = (Refusal.UNKNOWN_KEY, Refusal.KEYS_UNAVAILABLE)


class _Verified:
    """A token that passed every check, and what can change between two requests with it."""

    __slots__ = ("expires", "keys_version", "session", "token", "valid_from")

    def __init__(
        self, token: AccessToken, session: bytes, keys_version: int, leeway: float
    ) -> None:
        self.token = token
        self.session = session
        #: After a change of the keys, the token is verified again.
        self.keys_version = keys_version
        self.expires = token.exp + leeway
        self.valid_from = max(token.iat, token.iat if token.nbf is None else token.nbf) - leeway


class Verifier:
    """Verifies the access tokens of one issuer. Can be used by all threads and event loops.

    Build one verifier for a process, at its start. Two threads fetch the keys and follow the feed.
    A process that is forked afterwards starts them again by itself (gunicorn's `preload_app`,
    uWSGI).
    """

    def __init__(
        self,
        issuer: str,
        *,
        audience: str | Iterable[str],
        feed: Feed | None = None,
        outage: str | OutagePolicy = "until_expiry",
        leeway: float = 10,
        jwks_url: str | None = None,
        jwks: dict[str, Any] | None = None,
        refresh_interval: float = 300,
        min_fetch_interval: float = 10,
        max_key_age: float = 24 * 60 * 60,
        cached_tokens: int = 10_000,
        clock: Clock | None = None,
    ) -> None:
        """Begins to fetch the keys and to follow the feed. Does not wait for the network.

        All times are in seconds.

        `issuer`: URL of auth-service, as in the claim `iss`. A trailing slash makes no difference.
        `audience`: this service's name among auth-service's `AUDIENCE`, or several names.
        `feed`: the revocation feed. Default: none, and tokens are accepted until they expire.
        `outage`: how tokens are treated while the feed cannot be followed: `until_expiry`,
        `bounded:SECONDS` or `closed`.
        `leeway`: maximum difference between the clocks of the issuer and of this service.
        `jwks_url`: URL of the JWKS, for a service that cannot reach the issuer's metadata.
        `jwks`: given keys, for tests. Nothing is fetched.
        `refresh_interval`: time between two fetches of the keys.
        `min_fetch_interval`: minimum time between two fetches that unknown key ids cause.
        `max_key_age`: time since the last successful fetch for which keys are used.
        `cached_tokens`: number of verified tokens in memory, each about 3 kilobytes.
        """
        self.issuer = issuer.removesuffix("/")
        self.audiences = frozenset([audience] if isinstance(audience, str) else audience)
        if not self.audiences:
            raise ValueError("the verifier has no audience, so it would accept no token")
        self._leeway = leeway
        self._clock = clock or Clock()
        self._now = self._clock.now
        self._cache: Cache[_Verified] = Cache(cached_tokens)
        self._is_issuer_logged = False
        self._given = None if jwks is None else KeySet(jwks)
        self._remote: RemoteKeys | None = None
        if jwks is None:
            self._remote = RemoteKeys(
                self.issuer, jwks_url, self._clock, interval=refresh_interval,
                min_fetch_interval=min_fetch_interval, max_age=max_key_age,
            )  # fmt: skip
        policy = outage if isinstance(outage, OutagePolicy) else OutagePolicy.parse(outage)
        self._revocations: Revocations | None = None
        self._follower: Follower | None = None
        if feed is not None:
            self._revocations = Revocations(policy, self._clock)
            url = feed.url or f"{self.issuer}/revocations"
            self._follower = Follower(feed, url, self._revocations)
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._fork_lock = threading.Lock()
        workers = [worker for worker in (self._remote, self._follower) if worker is not None]
        for worker in workers:
            worker.start()
        # The threads hold no reference to the verifier, so that they end with it.
        self._finalizer = weakref.finalize(self, _stop, workers)
        _verifiers.add(self)

    def close(self) -> None:
        """Ends the threads. The verifier must not be used afterwards."""
        _verifiers.discard(self)
        self._finalizer()

    def verify(self, token: str) -> AccessToken:
        """Returns the claims of a token if it can be trusted. Waits for the network only if the
        token has an unknown key id, or while the verifier has no keys.

        Raises `VerifyError` with the reason for the refusal.
        """
        try:
            return self.verify_with_known_keys(token)
        except VerifyError as error:
            refused = error
        for fetch in self._fetches(refused):
            wait([fetch], FETCH_LIMIT)
            try:
                return self.verify_with_known_keys(token)
            except VerifyError as error:
                refused = error
        raise refused

    async def verify_async(self, token: str) -> AccessToken:
        """Like `verify`, without blocking the event loop while it waits for the network."""
        try:
            return self.verify_with_known_keys(token)
        except VerifyError as error:
            refused = error
        for fetch in self._fetches(refused):
            # Unlike `wait_for`, `wait` cancels nothing: others wait for the same fetch.
            await asyncio.wait([asyncio.wrap_future(fetch)], timeout=FETCH_LIMIT)
            try:
                return self.verify_with_known_keys(token)
            except VerifyError as error:
                refused = error
        raise refused

    def _fetches(self, refused: VerifyError) -> Iterator[Future[None]]:
        """Yields the fetches after which a refused token may be accepted: the one that runs, which
        may have begun before the issuer published the key, and at most one more."""
        if refused.reason not in _KEY_REFUSALS or self._remote is None:
            return
        if (running := self._remote.running_fetch) is not None:
            yield running
        if (requested := self._remote.request_fetch()) is not None:
            yield requested

    def verify_with_known_keys(self, token: str) -> AccessToken:
        """Returns the claims of a token if it can be trusted. Never waits: a token with an unknown
        key id is refused.

        Raises `VerifyError` with the reason for the refusal.
        """
        if os.getpid() != self._pid:
            self._restart_after_fork()
        now = self._now()
        remote = self._remote
        keys = self._given if remote is None else remote.keys
        if keys is None or (remote is not None and now >= remote.usable_until):
            raise VerifyError(Refusal.KEYS_UNAVAILABLE)
        verified = self._cache.young.get(token) or self._cache.get_old(token)
        if verified is None or verified.keys_version != keys.version:
            verified = self._verify_uncached(token, keys)
            self._check(verified, now)
            self._cache.set(token, verified)
        elif (
            now >= verified.expires
            or now < verified.valid_from
            or (self._revocations is not None and not self._revocations.accepts(verified.session))
        ):
            self._check(verified, now)
        return verified.token

    def _check(self, verified: _Verified, now: float) -> None:
        """Checks at `now` what can change between two requests with the same token."""
        if now >= verified.expires:
            raise VerifyError(Refusal.EXPIRED)
        if now < verified.valid_from:
            raise VerifyError(Refusal.NOT_YET_VALID)
        if self._revocations is not None:
            self._revocations.check(verified.session)

    def _verify_uncached(self, token: str, keys: KeySet) -> _Verified:
        if keys.is_empty:
            raise VerifyError(Refusal.KEYS_UNAVAILABLE)
        if len(token) > _MAX_TOKEN_BYTES:
            raise VerifyError(Refusal.MALFORMED)
        try:
            claims, session, token_type = parse_claims(self._verified_payload(token, keys))
        except (ValueError, KeyError):
            raise VerifyError(Refusal.MALFORMED) from None
        if token_type != "access":
            raise VerifyError(Refusal.WRONG_TYPE)
        if claims.iss.removesuffix("/") != self.issuer:
            self._log_issuer(claims.iss)
            raise VerifyError(Refusal.ISSUER)
        if self.audiences.isdisjoint(claims.aud):
            raise VerifyError(Refusal.AUDIENCE)
        return _Verified(claims, session, keys.version, self._leeway)

    def _verified_payload(self, token: str, keys: KeySet) -> dict[str, Any]:
        """Returns the payload of a token with a valid signature (RFC 7515 section 5.2).

        Raises `VerifyError`, and `ValueError` if the token is malformed.
        """
        signing_input, _, signature = token.rpartition(".")
        header, dot, payload = signing_input.partition(".")
        if not dot:
            raise ValueError("not three parts")
        algorithm, kid = _parse_header(parse_object(decode_base64url(header)))
        key = keys.get(kid)
        if key is None:
            raise VerifyError(Refusal.UNKNOWN_KEY)
        # The algorithm is the key's own, and the header's must be the same (RFC 8725 section 3.1).
        if key.algorithm != algorithm:
            raise VerifyError(Refusal.ALGORITHM)
        if not key.verifies(signing_input.encode("ascii"), decode_base64url(signature)):
            raise VerifyError(Refusal.SIGNATURE)
        return parse_object(decode_base64url(payload))

    def _log_issuer(self, other: str) -> None:
        """Logs, once, that the issuer's keys sign tokens of another issuer: the verifier is built
        with the wrong URL. The claim is the issuer's, because its signature is valid."""
        if not self._is_issuer_logged:
            self._is_issuer_logged = True
            log.warning(
                "tokens of the issuer %r are refused, because the verifier is built with the "
                "issuer %r", other, self.issuer,
            )  # fmt: skip

    def _restart_after_fork(self) -> None:
        with self._fork_lock:
            if os.getpid() == self._pid:
                return
            for worker in (self._remote, self._follower):
                if worker is not None:
                    worker.restart_after_fork()
            self._pid = os.getpid()

    # ------------------------------------------------------------------ state --

    @property
    def is_ready(self) -> bool:
        """`True` if the verifier can decide on tokens: it has keys, and it follows the feed or the
        outage policy accepts tokens."""
        return self.has_keys and (self._revocations is None or self._revocations.is_usable)

    @property
    def has_keys(self) -> bool:
        """`True` if the verifier has keys that are not too old."""
        if self._remote is None:
            return self._given is not None and bool(self._given.ids)
        return self._remote.has_keys(self._now())

    @property
    def keys_error(self) -> FetchError | None:
        """Why the verifier has no keys, for a health check, or `None` if it has keys."""
        return None if self.has_keys or self._remote is None else self._remote.last_error

    @property
    def key_ids(self) -> list[str]:
        """The ids of the usable keys, sorted."""
        keys = self._given if self._remote is None else self._remote.keys
        return [] if keys is None else keys.ids

    @property
    def feed_state(self) -> FeedState | None:
        """State of the revocation feed, or `None` if no feed is set."""
        return None if self._revocations is None else self._revocations.state()

    def set_feed_secret(self, secret: str) -> None:
        """Sets the client secret for the next connection to the feed."""
        if self._follower is not None:
            self._follower.secret = secret

    def ready(self, timeout: float = 15) -> None:
        """Waits until the verifier can decide on tokens, for an app that checks its settings at
        start. Does not wait for what does not pass by itself: an issuer whose metadata names
        another URL, a feed that refuses the client.

        Raises `NotReady` with the reason. An app can ignore it: the verifier goes on trying, and
        answers 503 meanwhile.
        """
        deadline = time.monotonic() + timeout
        while not self.is_ready:
            fault = self._misconfiguration()
            if fault is None and time.monotonic() >= deadline:
                fault = self._outage()
            if fault is not None:
                raise NotReady(fault)
            time.sleep(_READY_POLL)

    def _misconfiguration(self) -> str | None:
        """Returns a fault of the settings, which does not pass by itself."""
        if self._remote is not None and isinstance(self._remote.last_error, IssuerMismatch):
            return self._remote.last_error.details
        error = self._revocations.last_error if self._revocations is not None else None
        meaning = _MEANINGS.get(error.status) if error is not None else None
        if error is None or meaning is None or self._follower is None:
            return None
        return f"{self._follower.url} answered {error.status}: {meaning}"

    def _outage(self) -> str:
        if self._remote is not None and self._remote.last_error is not None:
            return self._remote.last_error.details
        error = self._revocations.last_error if self._revocations is not None else None
        if error is not None and self._follower is not None:
            return f"cannot follow the revocations at {self._follower.url}: {error.details}"
        return "the verifier has no keys or no revocations yet"


_MEANINGS = {
    401: "the client's id or secret is wrong",
    403: "the client lacks the scope revocations:read",
    404: "the URL names no revocation feed",
}


def _parse_header(header: dict[str, Any]) -> tuple[str, str]:
    """Returns algorithm and key id of a token's header (RFC 9068 section 2.1). Ignores `jku`,
    `jwk`, `x5u` and `x5c`, because keys come from the issuer only.

    Raises `VerifyError`, and `ValueError` if a parameter has another type.
    """
    algorithm, typ, kid = header.get("alg"), header.get("typ"), header.get("kid")
    if not isinstance(algorithm, str):
        raise ValueError("alg")
    if not isinstance(typ, str | None) or not isinstance(kid, str | None):
        raise ValueError("typ or kid")
    if algorithm not in ALGORITHMS:
        raise VerifyError(Refusal.ALGORITHM)
    if "crit" in header:
        # No extension is supported (RFC 7515 section 4.1.11).
        raise VerifyError(Refusal.CRITICAL)
    # RFC 7515 section 4.1.9. Names of media types are ASCII, in any case.
    subtype = (typ or "").lower().removeprefix("application/")
    if not (typ or "").isascii() or subtype != "at+jwt":
        raise VerifyError(Refusal.WRONG_TYPE)
    if kid is None:
        raise VerifyError(Refusal.UNKNOWN_KEY)
    return algorithm, kid


def _stop(workers: list[RemoteKeys | Follower]) -> None:
    for worker in workers:
        worker.stop()


_verifiers: weakref.WeakSet[Verifier] = weakref.WeakSet()


def _restart_all_after_fork() -> None:
    for verifier in list(_verifiers):
        # Another thread may have held the lock at the fork.
        verifier._fork_lock = threading.Lock()
        verifier._restart_after_fork()


# uWSGI may fork without these hooks. Then the first request notices the new process id.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart_all_after_fork)
