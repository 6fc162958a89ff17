"""An issuer for tests: issues tokens that its verifier accepts, without auth-service and without a
network.

    issuer = TestIssuer()
    token = issuer.token(sub="ada", scope="reports:read", roles=["editor"])
    assert issuer.verifier.verify(token).sub == "ada"
    issuer.end_session(token)                     # as after a logout
    expired = issuer.token(lifetime=-60)

`auth_verifier.pytest_plugin` has it as a fixture.
"""

from __future__ import annotations

import base64
import json
import time
import uuid
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from .clock import Clock
from .encoding import decode_base64url, parse_object, parse_uuid
from .revocations import OutagePolicy, Revocations
from .verifier import Verifier


class TestClock(Clock):
    """A clock that tests advance. It begins at the system's time, or stands still at `at`."""

    __test__ = False  # not a test case, whatever its name

    def __init__(self, at: float | None = None) -> None:
        self._at = at
        self._offset = 0.0

    def now(self) -> float:
        """Returns the time in seconds since the Unix epoch."""
        return (time.time() if self._at is None else self._at) + self._offset

    def monotonic(self) -> float:
        """Returns a time in seconds that only moves forward."""
        return time.monotonic() + self._offset

    def advance(self, seconds: float) -> None:
        """Advances this clock."""
        self._offset += seconds


class TestIssuer:
    """Issues access tokens, with a key of its own."""

    __test__ = False  # not a test case, whatever its name

    def __init__(self, issuer: str = "http://issuer.test", audience: str = "api") -> None:
        self.issuer = issuer
        self.audience = audience
        #: The clock of the issuer and of its verifier.
        self.clock = TestClock()
        self._key = Ed25519PrivateKey.generate()
        #: The verifier, for the app under test.
        self.verifier = Verifier(issuer, audience=audience, jwks=self.jwks(), clock=self.clock)
        # Ended sessions come from `end_session`, so there is no feed that could fail.
        self._revocations = Revocations(OutagePolicy(None), self.clock)
        self._revocations.record_current()
        self.verifier._revocations = self._revocations

    def jwks(self) -> dict[str, Any]:
        """Returns the issuer's public keys, for a test server that serves them over HTTP."""
        x = _encode(self._key.public_key().public_bytes_raw())
        key = {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "test", "x": x}
        return {"keys": [key]}

    def token(self, *, lifetime: int = 300, kid: str = "test", **claims: Any) -> str:
        """Returns a token of a new user and a new session, valid for `lifetime` seconds. With a
        negative lifetime the token has expired. Other arguments are claims; `None` removes one."""
        now = int(self.clock.now())
        fresh = {
            "iss": self.issuer, "sub": str(uuid.uuid4()), "aud": self.audience,
            "exp": now + lifetime, "iat": min(now, now + lifetime), "jti": str(uuid.uuid4()),
            "sid": str(uuid.uuid4()), "token_type": "access",
        }  # fmt: skip
        members = {name: value for name, value in {**fresh, **claims}.items() if value is not None}
        header = {"alg": "EdDSA", "typ": "at+jwt", "kid": kid}
        signing_input = ".".join(_encode(json.dumps(part).encode()) for part in (header, members))
        return f"{signing_input}.{_encode(self._key.sign(signing_input.encode()))}"

    def headers(self, **claims: Any) -> dict[str, str]:
        """Returns the header of a request with a new token."""
        return {"Authorization": f"Bearer {self.token(**claims)}"}

    def end_session(self, token: str) -> None:
        """Ends the session of a token: the verifier refuses its tokens from now on."""
        claims = parse_object(decode_base64url(token.split(".")[1]))
        self._revocations.record(parse_uuid(claims["sid"]), 2**62)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
