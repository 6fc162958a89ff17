"""Verifies access tokens in a service behind auth-service.

    from auth_verifier import Feed, Verifier

    verifier = Verifier(
        "https://auth.example.com",
        audience="api",
        feed=Feed("reports-api", client_secret),
    )
    token = verifier.verify(text)              # or: await verifier.verify_async(text)

A verifier fetches the issuer's keys and follows its revocation feed in the background: a logout
takes effect within a second, and a request costs no network.

| module | content |
|---|---|
| `verifier` | `Verifier`, which decides whether to trust a token |
| `token` | `AccessToken`: the claims of a verified token |
| `errors` | `VerifyError`: why a token is refused, and the answer to the client |
| `revocations` | `Feed`, `OutagePolicy`, and the ended sessions in memory |
| `testing` | an issuer for the tests of a service; `pytest_plugin` has it as a fixture |
| `rest_framework`, `django`, `fastapi`, `flask`, `wsgi`, `asgi` | adapters: import one |
"""

from .errors import FetchError, NotReady, Refusal, VerifyError
from .revocations import Feed, FeedState, OutagePolicy
from .token import AccessToken
from .verifier import Verifier

__all__ = [
    "AccessToken",
    "Feed",
    "FeedState",
    "FetchError",
    "NotReady",
    "OutagePolicy",
    "Refusal",
    "Verifier",
    "VerifyError",
]
