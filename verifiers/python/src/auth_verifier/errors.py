"""Why a token is refused, and the answer to the client (RFC 6750 section 3, RFC 9457)."""

from __future__ import annotations

import enum
from http import HTTPStatus
from typing import Any

#: The media type of the answer to a refused request (RFC 9457).
PROBLEM = "application/problem+json"


class Refusal(enum.Enum):
    """The reason for a refusal. The values are the words of `verifiers/vectors`."""

    MISSING = "missing"
    MALFORMED_HEADER = "malformed_header"
    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    WRONG_TYPE = "wrong_type"
    CRITICAL = "critical"
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE = "signature"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    REVOKED = "revoked"
    INSUFFICIENT_SCOPE = "insufficient_scope"
    MISSING_ROLE = "missing_role"
    REVOCATIONS_UNAVAILABLE = "revocations_unavailable"
    KEYS_UNAVAILABLE = "keys_unavailable"


_TEXTS = {
    Refusal.MISSING: "The request has no access token.",
    Refusal.MALFORMED_HEADER: 'The Authorization header must be "Bearer" and one token.',
    Refusal.MALFORMED: "The token is malformed.",
    Refusal.ALGORITHM: "The token's algorithm is not accepted.",
    Refusal.WRONG_TYPE: "The token is not an access token.",
    Refusal.CRITICAL: "The token requires an extension that is not supported.",
    Refusal.UNKNOWN_KEY: "The token's signing key is not known.",
    Refusal.SIGNATURE: "The token's signature is not valid.",
    Refusal.EXPIRED: "The token has expired.",
    Refusal.NOT_YET_VALID: "The token is not valid yet.",
    Refusal.ISSUER: "The token is from another issuer.",
    Refusal.AUDIENCE: "The token is for another audience.",
    Refusal.REVOKED: "The token's session has ended.",
    Refusal.INSUFFICIENT_SCOPE: "The scope {} is required.",
    Refusal.MISSING_ROLE: "The role {} is required.",
    Refusal.REVOCATIONS_UNAVAILABLE: "The token's session cannot be checked at the moment.",
    Refusal.KEYS_UNAVAILABLE: "Tokens cannot be verified at the moment.",
}

_UNAVAILABLE = (Refusal.REVOCATIONS_UNAVAILABLE, Refusal.KEYS_UNAVAILABLE)
_FORBIDDEN = (Refusal.INSUFFICIENT_SCOPE, Refusal.MISSING_ROLE)
_CODES = {
    Refusal.MISSING: "not_authenticated",
    Refusal.MALFORMED_HEADER: "authentication_failed",
}


class VerifyError(Exception):
    """An access token is refused. The text is for the client, and names nothing of the token."""

    def __init__(self, reason: Refusal, required: str = "") -> None:
        super().__init__(reason, required)
        #: Why the token is refused.
        self.reason = reason
        #: The scope or the role that the token lacks, or "".
        self.required = required

    def __str__(self) -> str:
        return _TEXTS[self.reason].format(self.required)

    @property
    def status(self) -> int:
        """HTTP status of the answer: 401, 403 or 503."""
        if self.reason in _FORBIDDEN:
            return 403
        return 503 if self.reason in _UNAVAILABLE else 401

    @property
    def code(self) -> str:
        """Error code for programs, which tells fewer cases apart than `reason`."""
        if self.status == 403:
            return "permission_denied"
        return "unavailable" if self.status == 503 else _CODES.get(self.reason, "token_not_valid")

    @property
    def challenge(self) -> str | None:
        """The `WWW-Authenticate` header of a 401 or 403, and `None` for a 503."""
        if self.reason in _UNAVAILABLE:
            return None
        if self.reason is Refusal.MISSING:
            # A request without credentials gets no error code (RFC 6750 section 3.1).
            return "Bearer"
        if self.reason is Refusal.INSUFFICIENT_SCOPE:
            return f'Bearer error="insufficient_scope", scope="{self.required}"'
        if self.reason is Refusal.MISSING_ROLE:
            return 'Bearer error="insufficient_scope"'
        is_header = self.reason is Refusal.MALFORMED_HEADER
        return f'Bearer error="{"invalid_request" if is_header else "invalid_token"}"'

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer, without its content type."""
        challenge = self.challenge
        return {"Retry-After": "1"} if challenge is None else {"WWW-Authenticate": challenge}

    def problem(self) -> dict[str, Any]:
        """Returns the body of the answer (RFC 9457)."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": str(self),
            "code": self.code,
        }


class FetchError(Exception):
    """A request to the issuer failed. The text names no address: a health check can show it."""

    def __init__(self, text: str, *, status: int = 0, details: str = "") -> None:
        super().__init__(text)
        #: HTTP status of an unexpected answer, or 0.
        self.status = status
        #: The text for the log, which may name addresses.
        self.details = details or text


class NotReady(Exception):
    """A verifier cannot decide on tokens. The text is for the operator: it may name addresses."""
