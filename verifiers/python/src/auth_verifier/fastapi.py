"""Dependency for FastAPI, with its security scheme in the OpenAPI document."""

from fastapi import HTTPException, Request, Response
from fastapi.openapi.models import HTTPBearer as HTTPBearerModel
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from .bearer import answer, bearer_token
from .errors import VerifyError
from .token import AccessToken
from .verifier import Verifier


class TokenRefused(HTTPException):
    """An access token is refused. FastAPI answers `{"detail": …}`, with the right headers."""

    def __init__(self, error: VerifyError) -> None:
        super().__init__(error.status, str(error), error.headers)
        self.error = error


async def problem_response(request: Request, refused: Exception) -> Response:
    """Answers a refusal with problem details (RFC 9457), as auth-service does:

    app.add_exception_handler(TokenRefused, problem_response)
    """
    if not isinstance(refused, TokenRefused):
        raise refused
    status, headers, body = answer(refused.error)
    return Response(body, status, headers)


class TokenAuth(SecurityBase):
    """Protects routes.

    auth = TokenAuth(verifier)

    @app.get("/me")
    async def me(token: Annotated[AccessToken, Depends(auth)]): ...

    @app.get("/reports")
    async def reports(token: Annotated[AccessToken, Security(auth, scopes=["reports:read"])]): ...

    @app.post("/articles")
    async def publish(token: Annotated[AccessToken, Depends(auth.role("editor"))]): ...
    """

    def __init__(self, verifier: Verifier, *, scheme_name: str = "bearer") -> None:
        #: The verifier. Tests can replace it.
        self.verifier = verifier
        self.scheme_name = scheme_name
        self.model = HTTPBearerModel(bearerFormat="JWT")

    def role(self, role: str) -> "RoleAuth":
        """Returns the dependency of a route that also requires a role."""
        return RoleAuth(self, role)

    async def __call__(self, request: Request, scopes: SecurityScopes) -> AccessToken:
        """Returns the token of a request. Raises `TokenRefused`."""
        try:
            headers = request.headers.getlist("Authorization")
            token = await self.verifier.verify_async(bearer_token(headers))
            return token.require(scope=scopes.scope_str)
        except VerifyError as error:
            raise TokenRefused(error) from None


class RoleAuth(SecurityBase):
    """Protects a route that requires a role: see `TokenAuth.role`."""

    def __init__(self, auth: TokenAuth, role: str) -> None:
        self.scheme_name = auth.scheme_name
        self.model = auth.model
        self._auth = auth
        self._role = role

    async def __call__(self, request: Request, scopes: SecurityScopes) -> AccessToken:
        """Returns the token of a request. Raises `TokenRefused`."""
        token = await self._auth(request, scopes)
        try:
            return token.require(role=self._role)
        except VerifyError as error:
            raise TokenRefused(error) from None
