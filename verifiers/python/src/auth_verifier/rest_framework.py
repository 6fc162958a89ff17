"""Authentication and permissions for Django REST framework.

# settings.py
AUTH_VERIFIER = {"issuer": "https://auth.example.com", "audience": "api"}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["auth_verifier.rest_framework.TokenAuthentication"],
}
"""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from .django import token_of
from .errors import Refusal, VerifyError
from .token import AccessToken


class TokenUser:
    """The user or client of a token. No row of a database belongs to it."""

    is_authenticated = True
    is_anonymous = False
    is_active = True

    def __init__(self, token: AccessToken) -> None:
        self.token = token
        #: The id in auth-service.
        self.pk = self.id = token.sub
        #: The name for display, which may change.
        self.username = token.preferred_username or token.sub

    def __str__(self) -> str:
        return self.username

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenUser) and self.pk == other.pk

    def __hash__(self) -> int:
        return hash(self.pk)

    def get_username(self) -> str:
        """Returns the name for display."""
        return self.username


class Unavailable(APIException):
    """Tokens cannot be verified at the moment: 503, with `Retry-After`."""

    status_code = 503
    wait = 1


class TokenAuthentication(BaseAuthentication):
    """Sets `request.user` to a `TokenUser`, and `request.auth` to the `AccessToken`.

    Override `get_user` to return a row of your own database.
    """

    def authenticate(self, request: Request) -> tuple[Any, AccessToken] | None:
        """Returns the user and the token, or `None` for a request without an `Authorization`
        header."""
        try:
            token = token_of(request._request)
        except VerifyError as error:
            if error.reason is Refusal.MISSING:
                return None
            request._auth_verifier_error = error
            detail = {"detail": str(error), "code": error.code}
            if error.status == 503:
                raise Unavailable(detail, error.code) from None
            raise AuthenticationFailed(detail, error.code) from None
        return self.get_user(token), token

    def authenticate_header(self, request: Request) -> str:
        """Returns the `WWW-Authenticate` header of a 401."""
        error = getattr(request, "_auth_verifier_error", None)
        return (error or VerifyError(Refusal.MISSING)).challenge or "Bearer"

    def get_user(self, token: AccessToken) -> Any:
        """Returns the user for `request.user`."""
        return TokenUser(token)


class _Requirement(BasePermission):
    scope: str | None = None
    role: str | None = None

    def has_permission(self, request: Request, view: Any) -> bool:
        """Returns `True` if the request's token has the scope and the role."""
        if not isinstance(request.auth, AccessToken):
            return False
        try:
            request.auth.require(scope=self.scope, role=self.role)
        except VerifyError as error:
            self.message = {"detail": str(error), "code": error.code}
            return False
        return True


def requires(*, scope: str | None = None, role: str | None = None) -> type[BasePermission]:
    """Returns a permission for `permission_classes`. It combines with others by `&`, `|` and `~`.

    class Reports(APIView):
        permission_classes = [requires(scope="reports:read")]
    """
    if scope is None and role is None:
        raise ValueError("name a scope or a role; for any token use IsAuthenticated")
    kind: type[BasePermission] = type("Requires", (_Requirement,), {"scope": scope, "role": role})
    return kind
