"""Middleware and decorator for Django.

    # settings.py
    AUTH_VERIFIER = {"issuer": "https://auth.example.com", "audience": "api"}
    MIDDLEWARE = [..., "auth_verifier.django.AccessTokenMiddleware"]

The setting contains the arguments of `Verifier`. Tests can replace it with a verifier.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.signals import setting_changed
from django.http import HttpRequest, HttpResponse

from .bearer import answer, bearer_token
from .errors import NotReady, Refusal, VerifyError
from .token import AccessToken
from .verifier import Verifier

log = logging.getLogger("auth_verifier")

#: Maximum time, in seconds, that the first request waits for the keys and the past revocations.
_FIRST_WAIT = 5

_lock = threading.Lock()
_verifier: Verifier | None = None


def get_verifier() -> Verifier:
    """Returns the verifier of this process, which the setting `AUTH_VERIFIER` describes."""
    global _verifier
    if _verifier is None:
        with _lock:
            if _verifier is None:
                _verifier = _build()
    return _verifier


def _build() -> Verifier:
    setting: Any = settings.AUTH_VERIFIER
    if isinstance(setting, Verifier):
        return setting
    verifier = Verifier(**setting)
    try:
        verifier.ready(timeout=_FIRST_WAIT)
    except NotReady as why:
        log.warning("no access token can be verified: %s", why)
    return verifier


def _forget(*, setting: str, **_: Any) -> None:
    """Forgets the verifier if a test overrides its setting."""
    global _verifier
    if setting == "AUTH_VERIFIER":
        _verifier = None


setting_changed.connect(_forget)


def token_of(request: HttpRequest) -> AccessToken:
    """Returns the verified token of a request. Raises `VerifyError`."""
    return get_verifier().verify(_bearer(request))


async def token_of_async(request: HttpRequest) -> AccessToken:
    """Like `token_of`, without blocking the event loop."""
    return await get_verifier().verify_async(_bearer(request))


def _bearer(request: HttpRequest) -> str:
    header = request.META.get("HTTP_AUTHORIZATION")
    return bearer_token([] if header is None else [header])


def refusal(error: VerifyError) -> HttpResponse:
    """Returns the answer to a refused request."""
    status, headers, body = answer(error)
    return HttpResponse(body, status=status, headers=headers)


View = Callable[..., Any]


class AccessTokenMiddleware:
    """Sets `request.access_token` to the verified token, or to `None` for a request without an
    `Authorization` header. Answers a request whose token is refused."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)
        # At the start of the process, not with the first request.
        get_verifier()

    def __call__(self, request: HttpRequest) -> Any:
        """Answers a request, in a thread or in an event loop."""
        return self._answer_async(request) if self._is_async else self._answer(request)

    def _answer(self, request: HttpRequest) -> Any:
        try:
            request.access_token = token_of(request)
        except VerifyError as error:
            if error.reason is not Refusal.MISSING:
                return refusal(error)
            request.access_token = None
        return self._get_response(request)

    async def _answer_async(self, request: HttpRequest) -> Any:
        try:
            request.access_token = await token_of_async(request)
        except VerifyError as error:
            if error.reason is not Refusal.MISSING:
                return refusal(error)
            request.access_token = None
        return await self._get_response(request)


def token_required(*, scope: str | None = None, role: str | None = None) -> Callable[[View], View]:
    """Returns a decorator: the view runs only for requests with a token that has the scope and the
    role. Needs `AccessTokenMiddleware`."""

    def decorate(view: View) -> View:
        if iscoroutinefunction(view):

            @wraps(view)
            async def protected_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                refused = _check(request, scope, role)
                return refused or await view(request, *args, **kwargs)

            return protected_async

        @wraps(view)
        def protected(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            refused = _check(request, scope, role)
            return refused or view(request, *args, **kwargs)

        return protected

    return decorate


def _check(request: HttpRequest, scope: str | None, role: str | None) -> HttpResponse | None:
    token: AccessToken | None = request.access_token
    try:
        if token is None:
            raise VerifyError(Refusal.MISSING)
        token.require(scope=scope, role=role)
    except VerifyError as error:
        return refusal(error)
    return None
