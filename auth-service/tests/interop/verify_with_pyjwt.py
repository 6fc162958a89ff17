"""Verifies access tokens with PyJWT, without code of this project.

The first line of the input is the issuer. Each further line is a token. The program answers each
token with a line of JSON: the claims, or the name of the error that rejects the token.
"""

import json
import sys

import jwt
import requests

issuer = input()
metadata = requests.get(f"{issuer}/.well-known/oauth-authorization-server", timeout=10).json()
assert metadata["issuer"] == issuer, metadata
# No cooldown, because the test publishes a key one second before the key signs. In production a key
# is published ten minutes before it signs, and PyJWT fetches the keys every five minutes.
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
