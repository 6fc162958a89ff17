"""The issuer's keys over HTTP: fetched at start, at an interval, and when a token has an unknown
key id."""

from __future__ import annotations

import json
import logging
import threading
import time
from concurrent.futures import Future
from typing import Any
from urllib.parse import urlsplit

from . import http
from .clock import Clock
from .errors import FetchError
from .keys import KeySet

log = logging.getLogger("auth_verifier")

#: Maximum time of one request, in seconds.
_TIMEOUT = 5.0
#: Maximum size of an answer. Metadata and keys are a few kilobytes.
_MAX_BYTES = 256 * 1024
#: First and longest pause, in seconds, while the verifier has no keys. The pause doubles each time.
_FIRST_RETRY, _LAST_RETRY = 0.25, 10.0

#: Maximum time of a fetch: two requests for metadata, and one for the keys.
FETCH_LIMIT = 3 * _TIMEOUT + 1


class IssuerMismatch(FetchError):
    """The metadata belongs to another issuer (RFC 8414 section 3.3)."""


def metadata_urls(issuer: str) -> tuple[str, str]:
    """Returns the URLs of an issuer's metadata, in the order in which they are tried: the path of
    OAuth 2.0 stands before the issuer's own path (RFC 8414 section 3.1), that of OpenID Connect
    after it (Discovery 1.0 section 4)."""
    issuer = issuer.rstrip("/")
    parts = urlsplit(issuer)
    oauth = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path}"
    return oauth, f"{issuer}/.well-known/openid-configuration"


class RemoteKeys:
    """The keys of the last successful fetch. One thread fetches: one fetch runs at a time."""

    def __init__(
        self,
        issuer: str,
        jwks_url: str | None,
        clock: Clock,
        *,
        interval: float,
        min_fetch_interval: float,
        max_age: float,
    ) -> None:
        self._issuer = issuer
        self._fixed_url = jwks_url
        self._clock = clock
        # Keys do not become too old between two fetches that succeed.
        self._interval = min(interval, max_age / 2)
        self._min_fetch_interval = min_fetch_interval
        self._max_age = max_age
        #: The keys, which may be too old.
        self.keys: KeySet | None = None
        #: Time until which the keys are used, in seconds since the Unix epoch.
        self.usable_until = 0.0
        #: Why the last fetch failed. `None` after a successful fetch.
        self.last_error: FetchError | None = FetchError("not fetched yet")
        self._url: str | None = None
        self._etag: str | None = None
        self._body = b""
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._is_stopped = False
        #: The fetch that runs or has been asked for.
        self.running_fetch: Future[None] | None = None
        #: Time of the last fetch that an unknown key id caused.
        self._unknown_at: float | None = None

    def start(self) -> None:
        """Starts the thread."""
        self.running_fetch = _new_future()
        thread = threading.Thread(target=self._run, name="auth-verifier-keys", daemon=True)
        thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._is_stopped = True
        self._wake.set()

    def restart_after_fork(self) -> None:
        """Starts the thread of a child process. It has the keys of its parent."""
        self._reset()
        self.start()

    def has_keys(self, now: float) -> bool:
        """Returns `True` if the keys are usable at `now`, in seconds since the Unix epoch."""
        return self.keys is not None and now < self.usable_until

    def request_fetch(self) -> Future[None] | None:
        """Returns the fetch that runs, or asks for one because a token has an unknown key id.

        Returns `None` if no fetch is due: the minimum interval limits the number of fetches, so
        that made-up key ids cannot flood the issuer.
        """
        with self._lock:
            if self.running_fetch is not None:
                return self.running_fetch
            now = time.monotonic()
            last = self._unknown_at
            if last is not None and now - last < self._min_fetch_interval:
                return None
            self._unknown_at = now
            self.running_fetch = _new_future()
            self._wake.set()
            return self.running_fetch

    def _run(self) -> None:
        retry = _FIRST_RETRY
        wake = self._wake
        while not self._is_stopped:
            with self._lock:
                self.running_fetch = self.running_fetch or _new_future()
                fetch = self.running_fetch
            try:
                self._fetch_and_log()
            except Exception:
                # The thread must not end: the verifier would miss every later key.
                log.exception("an unexpected error of a fetch of the keys")
            finally:
                with self._lock:
                    self.running_fetch = None
                fetch.set_result(None)
            pause = self._interval
            if not self.has_keys(self._clock.now()):
                pause, retry = retry, min(retry * 2, _LAST_RETRY)
            else:
                retry = _FIRST_RETRY
            wake.wait(pause)
            wake.clear()

    def _fetch_and_log(self) -> None:
        requested_at = self._clock.now()
        try:
            self._fetch_once()
        except FetchError as error:
            # The issuer may have moved its keys.
            self._url = self._etag = None
            where = self._fixed_url or self._issuer
            error.details = f"cannot fetch the keys of {where}: {error.details}"
            self.last_error = error
            log.warning("%s; %s", error.details, self._consequence())
        else:
            self.usable_until = requested_at + self._max_age
            self.last_error = None

    def _consequence(self) -> str:
        if self.has_keys(self._clock.now()):
            return "the keys fetched last stay in use"
        state = "no token can be verified until a fetch succeeds"
        return state if self.keys is None else f"the keys fetched last are too old: {state}"

    def _fetch_once(self) -> None:
        url = self._fixed_url or self._url or self._find_jwks()
        answer = _get(url, self._etag)
        if answer is None:
            return
        body, etag = answer
        # An unchanged key set keeps its version, and with it the cache of verified tokens.
        if body != self._body or self.keys is None:
            try:
                keys = KeySet(json.loads(body))
            except (ValueError, RecursionError) as error:
                details = f"the answer is not a JWKS: {error}"
                raise FetchError("invalid response", details=details) from error
            if keys.is_empty:
                raise FetchError("invalid response", details="the JWKS has no usable key")
            self.keys = keys
        self._url, self._etag, self._body = url, etag, body

    def _find_jwks(self) -> str:
        """Returns the URL of the JWKS from the metadata of the issuer."""
        oauth, openid = metadata_urls(self._issuer)
        try:
            answer = _get(oauth, None)
        except FetchError as error:
            if not error.status:
                raise
            answer = _get(openid, None)
        try:
            metadata: Any = json.loads(answer[0] if answer else b"")
            issuer, jwks_uri = str(metadata["issuer"]), str(metadata["jwks_uri"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            details = f"the issuer's metadata is not valid: {error}"
            raise FetchError("invalid response", details=details) from error
        # Otherwise one issuer could publish keys for another (RFC 8414 section 3.3).
        if issuer.removesuffix("/") != self._issuer:
            raise IssuerMismatch(
                "metadata of another issuer",
                details=f"the metadata belongs to another issuer, {issuer}: build the verifier "
                "with this URL",
            )
        return jwks_uri


def _get(url: str, etag: str | None) -> tuple[bytes, str | None] | None:
    return http.get(url, etag, timeout=_TIMEOUT, max_bytes=_MAX_BYTES)


def _new_future() -> Future[None]:
    """Returns a future that its waiters cannot cancel: several share it."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future
