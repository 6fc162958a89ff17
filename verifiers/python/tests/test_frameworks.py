"""The adapters in apps of Django, Django REST framework, FastAPI, Flask, WSGI and ASGI.

Each app has the same routes, and each gets the same requests.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import django
import pytest
from django.conf import settings

from auth_verifier import AccessToken, Verifier
from auth_verifier.testing import TestIssuer

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    AUTH_VERIFIER={"issuer": "http://issuer.test", "audience": "api"},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"],
    MIDDLEWARE=["auth_verifier.django.AccessTokenMiddleware"],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["auth_verifier.rest_framework.TokenAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.test import AsyncClient, Client, override_settings  # noqa: E402
from django.urls import path  # noqa: E402
from fastapi import Depends, FastAPI, Security  # noqa: E402
from fastapi.testclient import TestClient  # noqa: E402
from flask import Flask  # noqa: E402
from rest_framework.decorators import api_view, permission_classes  # noqa: E402
from rest_framework.response import Response  # noqa: E402

from auth_verifier import asgi, wsgi  # noqa: E402
from auth_verifier import fastapi as fastapi_adapter  # noqa: E402
from auth_verifier import flask as flask_adapter  # noqa: E402
from auth_verifier.django import token_required  # noqa: E402
from auth_verifier.rest_framework import requires  # noqa: E402


def described(token: AccessToken) -> dict[str, str]:
    return {"sub": token.sub}


# ------------------------------------------------------------------ Django --


@token_required()
def django_me(request: HttpRequest) -> JsonResponse:
    return JsonResponse(described(request.access_token))


@token_required(scope="reports:read")
async def django_reports(request: HttpRequest) -> JsonResponse:
    return JsonResponse(described(request.access_token))


@token_required(role="editor")
def django_articles(request: HttpRequest) -> JsonResponse:
    return JsonResponse(described(request.access_token))


def django_public(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"sub": request.access_token and request.access_token.sub})


@api_view()
def drf_me(request: Any) -> Response:
    assert request.user.pk == request.auth.sub and request.user.is_authenticated
    return Response(described(request.auth))


@api_view()
@permission_classes([requires(scope="reports:read")])
def drf_reports(request: Any) -> Response:
    return Response(described(request.auth))


@api_view()
@permission_classes([requires(role="editor")])
def drf_articles(request: Any) -> Response:
    return Response(described(request.auth))


@api_view()
@permission_classes([requires(role="editor") | requires(role="admin")])
def drf_drafts(request: Any) -> Response:
    return Response(described(request.auth))


urlpatterns = [
    path("me", django_me),
    path("reports", django_reports),
    path("articles", django_articles),
    path("public", django_public),
    path("drf/me", drf_me),
    path("drf/reports", drf_reports),
    path("drf/articles", drf_articles),
    path("drf/drafts", drf_drafts),
]

# -------------------------------------------------------------- other apps --


def flask_app(verifier: Verifier) -> Flask:
    app = Flask("test")
    auth = flask_adapter.TokenAuth(verifier)

    @app.get("/me")
    @auth.required()
    def me() -> dict[str, str]:
        return described(auth.token)

    @app.get("/reports")
    @auth.required(scope="reports:read")
    def reports() -> dict[str, str]:
        return described(auth.token)

    @app.get("/articles")
    @auth.required(role="editor")
    def articles() -> dict[str, str]:
        return described(auth.token)

    return app


def fastapi_app(verifier: Verifier) -> FastAPI:
    app = FastAPI()
    auth = fastapi_adapter.TokenAuth(verifier)
    refused = fastapi_adapter.TokenRefused
    app.add_exception_handler(refused, fastapi_adapter.problem_response)

    @app.get("/me")
    async def me(token: Annotated[AccessToken, Depends(auth)]) -> dict[str, str]:
        return described(token)

    @app.get("/reports")
    def reports(
        token: Annotated[AccessToken, Security(auth, scopes=["reports:read"])],
    ) -> dict[str, str]:
        return described(token)

    @app.get("/articles")
    async def articles(
        token: Annotated[AccessToken, Depends(auth.role("editor"))],
    ) -> dict[str, str]:
        return described(token)

    return app


def plain_wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    token = environ.get(wsgi.TOKEN)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"sub": token and token.sub}).encode()]


async def plain_asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    token = scope.get(asgi.TOKEN)
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    body = json.dumps({"sub": token and token.sub}).encode()
    await send({"type": "http.response.body", "body": body})


# ----------------------------------------------------------------- clients --


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    json: Any


Get = Callable[[str, dict[str, str]], Answer]


def django_client(prefix: str = "") -> Get:
    def get(route: str, headers: dict[str, str]) -> Answer:
        answer = Client(headers=headers).get(prefix + route)
        return Answer(answer.status_code, dict(answer.headers), json.loads(answer.content))

    return get


def async_django_client(route: str, headers: dict[str, str]) -> Answer:
    answer = asyncio.run(AsyncClient().get(route, headers=headers))
    return Answer(answer.status_code, dict(answer.headers), json.loads(answer.content))


def asgi_client(app: Any) -> Get:
    def get(route: str, headers: dict[str, str]) -> Answer:
        answer = TestClient(app).get(route, headers=headers)
        return Answer(answer.status_code, dict(answer.headers), answer.json())

    return get


def wsgi_client(app: Any) -> Get:
    from werkzeug.test import Client as WsgiClient

    def get(route: str, headers: dict[str, str]) -> Answer:
        answer = WsgiClient(app).get(route, headers=headers)
        return Answer(answer.status_code, dict(answer.headers), json.loads(answer.data))

    return get


APPS: dict[str, Callable[[Verifier], Get]] = {
    "Django": lambda verifier: django_client(),
    "Django, asynchronous": lambda verifier: async_django_client,
    "Django REST framework": lambda verifier: django_client("/drf"),
    "FastAPI": lambda verifier: asgi_client(fastapi_app(verifier)),
    "Flask": lambda verifier: wsgi_client(flask_app(verifier)),
}
MIDDLEWARE: dict[str, Callable[[Verifier, bool], Get]] = {
    "WSGI": lambda verifier, is_optional: wsgi_client(
        wsgi.VerifierMiddleware(plain_wsgi, verifier, is_optional=is_optional)
    ),
    "ASGI": lambda verifier, is_optional: asgi_client(
        asgi.VerifierMiddleware(plain_asgi, verifier, is_optional=is_optional)
    ),
}


@pytest.fixture(params=[*APPS, *MIDDLEWARE])
def get(request: pytest.FixtureRequest, token_issuer: TestIssuer) -> Iterator[Get]:
    name = request.param
    with override_settings(AUTH_VERIFIER=token_issuer.verifier):
        if name in APPS:
            yield APPS[name](token_issuer.verifier)
        else:
            yield MIDDLEWARE[name](token_issuer.verifier, False)


def header(answer: Answer, name: str) -> str | None:
    return {key.lower(): value for key, value in answer.headers.items()}.get(name)


def assert_refused(answer: Answer, status: int, code: str, challenge: str | None) -> None:
    assert (answer.status, answer.json["code"]) == (status, code), answer
    assert answer.json["detail"]
    assert header(answer, "www-authenticate") == challenge
    assert header(answer, "retry-after") == ("1" if status == 503 else None)


def test_a_request_with_a_valid_token_reaches_the_route(get: Get, token_issuer: TestIssuer) -> None:
    answer = get("/me", token_issuer.headers(sub="ada"))
    assert (answer.status, answer.json) == (200, {"sub": "ada"})


def test_a_request_without_a_token_is_refused_without_an_error_code(get: Get) -> None:
    answer = get("/me", {})
    assert answer.status == 401
    assert header(answer, "www-authenticate") == "Bearer"


@pytest.mark.parametrize("value", ["Basic YTpi", "Bearer", "Bearer ", "Bearer a b", "Bearer a,b"])
def test_a_header_that_is_not_one_bearer_token_is_refused(get: Get, value: str) -> None:
    answer = get("/me", {"Authorization": value})
    assert_refused(answer, 401, "authentication_failed", 'Bearer error="invalid_request"')


def test_an_expired_and_an_ended_token_are_refused(get: Get, token_issuer: TestIssuer) -> None:
    challenge = 'Bearer error="invalid_token"'
    assert_refused(
        get("/me", token_issuer.headers(lifetime=-60)), 401, "token_not_valid", challenge
    )
    token = token_issuer.token(sub="ada")
    headers = {"Authorization": f"Bearer {token}"}
    assert get("/me", headers).status == 200
    token_issuer.end_session(token)
    answer = get("/me", headers)
    assert_refused(answer, 401, "token_not_valid", challenge)
    assert answer.json["detail"] == "The token's session has ended."


def test_a_request_is_answered_with_503_while_no_key_is_known(
    get: Get, token_issuer: TestIssuer
) -> None:
    token_issuer.verifier._given = None
    assert_refused(get("/me", token_issuer.headers()), 503, "unavailable", None)


@pytest.mark.parametrize("name", APPS)
@pytest.mark.parametrize(
    ("route", "granted", "detail", "challenge"),
    [
        (
            "/reports",
            {"scope": "profile reports:read"},
            "The scope reports:read is required.",
            'Bearer error="insufficient_scope", scope="reports:read"',
        ),
        (
            "/articles",
            {"roles": ["editor"]},
            "The role editor is required.",
            'Bearer error="insufficient_scope"',
        ),
    ],
)
def test_a_route_requires_its_scope_or_role(
    name: str, route: str, granted: dict[str, Any], detail: str, challenge: str,
    token_issuer: TestIssuer,
) -> None:  # fmt: skip
    with override_settings(AUTH_VERIFIER=token_issuer.verifier):
        get = APPS[name](token_issuer.verifier)
        assert get(route, token_issuer.headers(**granted)).status == 200
        answer = get(route, token_issuer.headers(scope="reports", roles=["Editor"]))
        assert (answer.status, answer.json["code"]) == (403, "permission_denied")
        assert answer.json["detail"] == detail
        # Django REST framework sets the header on a 401 only.
        expected = None if name == "Django REST framework" else challenge
        assert header(answer, "www-authenticate") == expected


def test_a_role_of_an_alternative_suffices_in_django_rest_framework(
    token_issuer: TestIssuer,
) -> None:
    with override_settings(AUTH_VERIFIER=token_issuer.verifier):
        get = django_client("/drf")
        assert get("/drafts", token_issuer.headers(roles=["admin"])).status == 200
        assert get("/drafts", token_issuer.headers(roles=["reader"])).status == 403
        assert get("/drafts", {}).status == 401


@pytest.mark.parametrize("name", MIDDLEWARE)
def test_optional_middleware_passes_a_request_without_a_token_only(
    name: str, token_issuer: TestIssuer
) -> None:
    get = MIDDLEWARE[name](token_issuer.verifier, True)
    assert get("/", {}).json == {"sub": None}
    assert get("/", token_issuer.headers(sub="ada")).json == {"sub": "ada"}
    assert get("/", token_issuer.headers(lifetime=-60)).status == 401


def test_a_view_of_django_without_the_decorator_sees_whether_there_is_a_token(
    token_issuer: TestIssuer,
) -> None:
    with override_settings(AUTH_VERIFIER=token_issuer.verifier):
        get = django_client()
        assert get("/public", {}).json == {"sub": None}
        assert get("/public", token_issuer.headers(sub="ada")).json == {"sub": "ada"}
        assert get("/public", token_issuer.headers(lifetime=-60)).status == 401


def test_a_second_authorization_header_is_refused(token_issuer: TestIssuer) -> None:
    one = ("authorization", token_issuer.headers()["Authorization"])
    for app in (
        fastapi_app(token_issuer.verifier),
        asgi.VerifierMiddleware(plain_asgi, token_issuer.verifier),
    ):
        client = TestClient(app)
        assert client.get("/me", headers=[one]).status_code == 200
        assert client.get("/me", headers=[one, one]).status_code == 401


def test_a_websocket_without_a_token_is_refused(token_issuer: TestIssuer) -> None:
    from starlette.websockets import WebSocketDisconnect

    async def echo(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": scope[asgi.TOKEN].sub})

    client = TestClient(asgi.VerifierMiddleware(echo, token_issuer.verifier))
    with client.websocket_connect("/", headers=token_issuer.headers(sub="ada")) as socket:
        assert socket.receive_text() == "ada"
    with pytest.raises(WebSocketDisconnect) as closed, client.websocket_connect("/"):
        pass
    assert closed.value.code == 1008


def test_the_openapi_document_of_fastapi_has_the_scheme_and_the_scopes(
    token_issuer: TestIssuer,
) -> None:
    document = fastapi_app(token_issuer.verifier).openapi()
    scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    assert document["components"]["securitySchemes"] == {"bearer": scheme}
    for route in ("/me", "/reports", "/articles"):
        assert document["paths"][route]["get"]["security"], route


def test_fastapi_answers_without_the_handler_too(token_issuer: TestIssuer) -> None:
    app = fastapi_app(token_issuer.verifier)
    del app.exception_handlers[fastapi_adapter.TokenRefused]
    answer = TestClient(app).get("/me")
    assert answer.status_code == 401
    assert answer.json() == {"detail": "The request has no access token."}
    assert answer.headers["WWW-Authenticate"] == "Bearer"
