"""The access token of a request (RFC 6750 section 2.1), for all frameworks."""

from __future__ import annotations

import json
from collections.abc import Sequence

from .errors import PROBLEM, Refusal, VerifyError


def bearer_token(headers: Sequence[str]) -> str:
    """Returns the token in the values of a request's `Authorization` headers.

    Raises `VerifyError`: `MISSING` without a header, and `MALFORMED_HEADER` for several, or for one
    that is not `Bearer` and one token.
    """
    if not headers:
        raise VerifyError(Refusal.MISSING)
    scheme, _, token = headers[0].strip().partition(" ")
    token = token.lstrip()
    is_list = " " in token or "," in token
    if len(headers) > 1 or scheme.lower() != "bearer" or not token or is_list:
        raise VerifyError(Refusal.MALFORMED_HEADER)
    return token


def answer(error: VerifyError) -> tuple[int, dict[str, str], bytes]:
    """Returns status, headers and body of the answer to a refused request."""
    body = json.dumps(error.problem()).encode()
    headers = {"Content-Type": PROBLEM, "Content-Length": str(len(body)), **error.headers}
    return error.status, headers, body
