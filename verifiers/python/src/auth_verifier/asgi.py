"""Middleware for ASGI apps of any framework."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from .bearer import answer, bearer_token
from .errors import VerifyError
from .verifier import Verifier

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

#: Key of the verified token in the scope of a request.
TOKEN = "auth_verifier.token"


class VerifierMiddleware:
    """Passes requests and WebSockets with a valid token to an app, and the token as
    `scope[TOKEN]`."""

    def __init__(self, app: App, verifier: Verifier, *, is_optional: bool = False) -> None:
        """With `is_optional`, a request without an `Authorization` header reaches the app too,
        without a token. A token that is refused is always answered."""
        self._app = app
        self._verifier = verifier
        self._is_optional = is_optional

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        headers = [
            value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"
        ]
        scope.pop(TOKEN, None)
        if headers or not self._is_optional:
            try:
                scope[TOKEN] = await self._verifier.verify_async(bearer_token(headers))
            except VerifyError as error:
                return await _refuse(error, scope, receive, send)
        await self._app(scope, receive, send)


async def _refuse(error: VerifyError, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await receive()
        # Before the handshake is accepted, the server answers 403.
        await send({"type": "websocket.close", "code": 1008})
        return
    status, headers, body = answer(error)
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
