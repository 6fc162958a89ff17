"""Middleware for WSGI apps of any framework (PEP 3333)."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from .bearer import answer, bearer_token
from .errors import VerifyError
from .verifier import Verifier

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: Key of the verified token in the environment of a request.
TOKEN = "auth_verifier.token"


class VerifierMiddleware:
    """Passes requests with a valid token to an app, and the token as `environ[TOKEN]`."""

    def __init__(
        self, app: WSGIApplication, verifier: Verifier, *, is_optional: bool = False
    ) -> None:
        """With `is_optional`, a request without an `Authorization` header reaches the app too,
        without a token. A token that is refused is always answered."""
        self._app = app
        self._verifier = verifier
        self._is_optional = is_optional

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        header = environ.get("HTTP_AUTHORIZATION")
        environ.pop(TOKEN, None)
        if header is not None or not self._is_optional:
            try:
                token = bearer_token([] if header is None else [header])
                environ[TOKEN] = self._verifier.verify(token)
            except VerifyError as error:
                status, headers, body = answer(error)
                start_response(f"{status} {HTTPStatus(status).phrase}", list(headers.items()))
                return [body]
        return self._app(environ, start_response)
