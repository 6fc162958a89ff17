"""Uses the OAuth 2.0 routes with Authlib, as a client and as a resource server.

Reads a line of JSON, and prints a line of JSON: the answers of the routes, and the claims of the
tokens.
"""

import json
import os

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator

# The service under test speaks plain HTTP.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

given = json.loads(input())
issuer = given["issuer"]
metadata = requests.get(f"{issuer}/.well-known/oauth-authorization-server", timeout=10).json()
AuthorizationServerMetadata(metadata).validate()
keys = requests.get(metadata["jwks_uri"], timeout=10).json()


class Validator(JWTBearerTokenValidator):
    """Validates access tokens as RFC 9068 section 4 requires."""

    def get_jwks(self):
        return keys


def client(method, secret=given["client_secret"]):
    return OAuth2Session(given["client_id"], secret, token_endpoint_auth_method=method)


def introspect(session, token):
    return session.introspect_token(metadata["introspection_endpoint"], token=token).json()


def own_token(method):
    """Requests, validates, introspects and revokes a token of the client itself."""
    session = client(method)
    issued = session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials", scope="read")
    token = issued["access_token"]
    validator = Validator(issuer, "api")
    claims = validator.authenticate_token(token)
    validator.validate_token(claims, ["read"], None)
    active = introspect(session, token)
    revoked = session.revoke_token(metadata["revocation_endpoint"], token=token)
    return {
        "claims": claims,
        "active": active,
        "revoked": revoked.status_code,
        "afterwards": introspect(session, token),
    }


def users_token(method):
    """Refreshes, validates, revokes and introspects the tokens of a user."""
    session = client(method)
    # The login issued the refresh token to the public client of the users.
    login = OAuth2Session("first-party", token_endpoint_auth_method="none")
    refreshed = login.refresh_token(metadata["token_endpoint"], refresh_token=given["refresh_token"])
    revoked = session.revoke_token(
        metadata["revocation_endpoint"], token=refreshed["refresh_token"], token_type_hint="refresh_token"
    )
    validator = Validator(issuer, "api")
    claims = validator.authenticate_token(refreshed["access_token"])
    validator.validate_token(claims, None, None)
    return {
        "claims": claims,
        "revoked": revoked.status_code,
        "afterwards": introspect(session, refreshed["refresh_token"]),
    }


def refused(method):
    """Returns the error that a wrong secret causes."""
    try:
        client(method, "wrong").fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
    except OAuthError as error:
        return error.error


method = given["method"]
print(json.dumps({"own": own_token(method), "users": users_token(method), "refused": refused(method)}))
