"""The private keys of the vectors, and tokens signed with them."""

import base64
import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

NOW = 4_000_000_000
ISSUER = "https://issuer.test"
AUDIENCE = "api"
LEEWAY = 10
SUBJECT = "01a20970-f552-76e1-be5b-197ec9e2780c"
SESSION = "01a20970-f552-7000-8000-00000000000a"

Json = dict[str, Any]


def b64(data: bytes | str | Json) -> str:
    """Returns data, or the JSON of an object, in base64url without padding."""
    if isinstance(data, dict):
        data = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    if isinstance(data, str):
        data = data.encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def number(text: str) -> int:
    return int.from_bytes(unb64(text), "big")


class Signer:
    """A private key, given as a JWK, that signs tokens with deterministic signatures."""

    def __init__(self, jwk: dict[str, str]) -> None:
        self.kid = jwk["kid"]
        self.alg = jwk["alg"]
        self.jwk = {name: jwk[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in jwk}
        self.jwk.update(kid=self.kid, alg=self.alg, use="sig")
        self._key = _private_key(jwk)

    def sign(self, message: bytes | str) -> bytes:
        """Returns the signature of a message."""
        message = message.encode() if isinstance(message, str) else message
        key = self._key
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return key.sign(message)
        if isinstance(key, ec.EllipticCurvePrivateKey):
            der = key.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
            r, s = decode_dss_signature(der)
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def header(self, **changes: Any) -> Json:
        """Returns the header of a valid token, with changes. A value of `...` removes a member."""
        return changed({"alg": self.alg, "typ": "at+jwt", "kid": self.kid}, changes)

    def signed(self, signing_input: str) -> str:
        """Appends the signature of the input to the input."""
        return f"{signing_input}.{b64(self.sign(signing_input))}"

    def token(
        self, header: bytes | str | Json | None = None, claims: bytes | str | Json | None = None
    ) -> str:
        """Returns a signed token with this header and these claims, which need not be valid."""
        header = self.header() if header is None else header
        claims = valid_claims() if claims is None else claims
        return self.signed(f"{b64(header)}.{b64(claims)}")


def _private_key(
    jwk: dict[str, str],
) -> ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    if jwk["kty"] == "OKP":
        return ed25519.Ed25519PrivateKey.from_private_bytes(unb64(jwk["d"]))
    if jwk["kty"] == "EC":
        return ec.derive_private_key(number(jwk["d"]), ec.SECP256R1())
    public = rsa.RSAPublicNumbers(number(jwk["e"]), number(jwk["n"]))
    names = ("p", "q", "d", "dp", "dq", "qi")
    return rsa.RSAPrivateNumbers(*(number(jwk[name]) for name in names), public).private_key()


def changed(members: Json, changes: Json) -> Json:
    """Returns members with changes. A value of `...` removes a member."""
    merged = {**members, **changes}
    return {name: value for name, value in merged.items() if value is not ...}


def valid_claims(**changes: Any) -> Json:
    """Returns the claims of a valid token, with changes. A value of `...` removes a claim."""
    claims = {
        "iss": ISSUER, "sub": SUBJECT, "aud": AUDIENCE, "exp": NOW + 300, "iat": NOW,
        "jti": SUBJECT, "sid": SESSION, "scope": "reports:read profile", "token_type": "access",
    }  # fmt: skip
    return changed(claims, changes)


_KEYS = json.loads((Path(__file__).parent.parent / "private-keys.json").read_text())

#: Keys of the issuer, one of each algorithm.
ED25519, P256, RSA = ISSUER_KEYS = [Signer(jwk) for jwk in _KEYS["issuer"]]
#: Keys of an attacker, one of each algorithm. The issuer does not publish them.
ATTACKER_KEYS = [Signer(jwk) for jwk in _KEYS["attacker"]]
#: An RSA key of 1024 bits.
WEAK_RSA = Signer(_KEYS["weak_rsa"])

JWKS = {"keys": [signer.jwk for signer in ISSUER_KEYS]}


def settings() -> Json:
    """Returns the members that all files have."""
    return {"now": NOW, "issuer": ISSUER, "audience": AUDIENCE, "leeway": LEEWAY}
