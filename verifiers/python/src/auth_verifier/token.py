"""`AccessToken`: the claims of a verified access token (RFC 9068 section 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from .encoding import parse_uuid
from .errors import Refusal, VerifyError

_LIMIT = 2**63


@dataclass(frozen=True, slots=True)
class AccessToken:
    """Verified claims. Times are in seconds since the Unix epoch."""

    #: The id of a user (a UUID) or of a client. Names and addresses may change; `sub` does not.
    sub: str
    #: Issuer: the URL of auth-service.
    iss: str
    #: The resource servers that may accept the token.
    aud: tuple[str, ...]
    #: Time at which the token expires.
    exp: int
    #: Time at which the token was issued.
    iat: int
    #: Time before which the token is not valid, if the token has one.
    nbf: int | None
    #: Id of the token: a UUID.
    jti: str
    #: Id of the session that the token belongs to: a UUID.
    sid: str
    #: Granted scopes.
    scopes: frozenset[str]
    #: Roles of the user.
    roles: frozenset[str]
    #: Username, for display. A client has none.
    preferred_username: str | None
    #: Client that the token was issued to, if the token names one.
    client_id: str | None
    #: Time when the user last proved who they are. A client's token has none.
    auth_time: int | None
    #: All claims, as in the token.
    claims: Mapping[str, Any] = field(repr=False, hash=False)

    @property
    def is_client_token(self) -> bool:
        """`True` if the token belongs to a client that acts for itself, not for a user."""
        return self.client_id == self.sub

    def require(self, *, scope: str | None = None, role: str | None = None) -> AccessToken:
        """Returns the token if it has the scope and the role. Several scopes are separated by
        spaces, and the token must have all of them.

        Raises `VerifyError`: `INSUFFICIENT_SCOPE` or `MISSING_ROLE`.
        """
        for name in (scope or "").split():
            if name not in self.scopes:
                raise VerifyError(Refusal.INSUFFICIENT_SCOPE, name)
        if role is not None and role not in self.roles:
            raise VerifyError(Refusal.MISSING_ROLE, role)
        return self


def parse_claims(claims: dict[str, Any]) -> tuple[AccessToken, bytes, str]:
    """Returns the token with these claims, the key of its session, and the claim `token_type`.

    Raises `ValueError` if a claim is missing or has another type.
    """
    sid = _text(claims, "sid")
    jti = _text(claims, "jti")
    parse_uuid(jti)
    session = parse_uuid(sid)
    token_type = claims.get("token_type")
    if token_type not in ("access", "refresh"):
        raise ValueError("token_type")
    roles = claims.get("roles", [])
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise ValueError("roles")
    scope = claims.get("scope", "")
    if not isinstance(scope, str):
        raise ValueError("scope")
    token = AccessToken(
        sub=_text(claims, "sub"),
        iss=_text(claims, "iss"),
        aud=_audience(claims.get("aud")),
        exp=_time(claims["exp"]),
        iat=_time(claims["iat"]),
        nbf=_optional_time(claims, "nbf"),
        jti=jti,
        sid=sid,
        scopes=frozenset(scope.split()),
        roles=frozenset(roles),
        preferred_username=_optional_text(claims, "preferred_username"),
        client_id=_optional_text(claims, "client_id"),
        auth_time=_optional_time(claims, "auth_time"),
        claims=MappingProxyType(claims),
    )
    return token, session, token_type


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str):
        raise ValueError(name)
    return value


def _optional_text(claims: dict[str, Any], name: str) -> str | None:
    return None if claims.get(name) is None else _text(claims, name)


def _time(value: Any) -> int:
    # `bool` is a kind of `int` in Python, but not in JSON.
    if type(value) is not int or not -_LIMIT <= value < _LIMIT:
        raise ValueError("a time is not an integer of 64 bits")
    return value


def _optional_time(claims: dict[str, Any], name: str) -> int | None:
    value = claims.get(name)
    return None if value is None else _time(value)


def _audience(value: Any) -> tuple[str, ...]:
    """Returns the claim `aud`: one audience or several (RFC 7519 section 4.1.3)."""
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise ValueError("aud")
