"""Verifies access tokens as a service in Python would, with PyJWT and nothing of ours.

The first line of the input is the issuer, each other one a token. Each token is answered with a line of JSON: its
claims, or the name of the error that refuses it.
"""

import json
import sys

import jwt
import requests

issuer = input()
metadata = requests.get(f"{issuer}/.well-known/oauth-authorization-server", timeout=10).json()
assert metadata["issuer"] == issuer, metadata
# Without the cooldown: the test's key is published a second before it signs. In earnest it is ten minutes, and PyJWT
# fetches the keys anew every five.
keys = jwt.PyJWKClient(metadata["jwks_uri"], cooldown_duration=0)


def verify(token):
    verified = jwt.decode_complete(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["EdDSA", "ES256", "RS256"],
        issuer=issuer,
        audience="api",
        options={"require": ["exp", "iat", "sub"]},
    )
    if verified["header"]["typ"] != "at+jwt":
        raise jwt.InvalidTokenError
    return verified["payload"]


for line in sys.stdin:
    try:
        answer = verify(line.strip())
    except jwt.PyJWTError as error:
        answer = type(error).__name__
    print(json.dumps(answer), flush=True)
