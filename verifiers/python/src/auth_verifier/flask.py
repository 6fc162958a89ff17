"""Decorator for views of Flask."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from flask import Response, abort, current_app, g, request

from .bearer import answer, bearer_token
from .errors import VerifyError
from .token import AccessToken
from .verifier import Verifier

P = ParamSpec("P")
R = TypeVar("R")


class TokenAuth:
    """Protects views.

    auth = TokenAuth(verifier)

    @app.get("/reports")
    @auth.required(scope="reports:read")
    def reports():
        return f"reports for {auth.token.sub}"
    """

    def __init__(self, verifier: Verifier) -> None:
        #: The verifier. Tests can replace it.
        self.verifier = verifier

    @property
    def token(self) -> AccessToken:
        """The verified token of the request. Raises `AttributeError` in a view without
        `required`."""
        token: AccessToken = g.access_token
        return token

    def required(
        self, *, scope: str | None = None, role: str | None = None
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Returns a decorator: the view runs only for requests with a valid token that has the
        scope and the role. Put it below the route."""

        def decorate(view: Callable[P, R]) -> Callable[P, R]:
            @wraps(view)
            def protected(*args: P.args, **kwargs: P.kwargs) -> R:
                try:
                    token = self.verifier.verify(
                        bearer_token(request.headers.getlist("Authorization"))
                    )
                    g.access_token = token.require(scope=scope, role=role)
                except VerifyError as error:
                    status, headers, body = answer(error)
                    abort(Response(body, status, headers))
                # Also runs views that are `async def`.
                result: R = current_app.ensure_sync(view)(*args, **kwargs)
                return result

            return protected

        return decorate
