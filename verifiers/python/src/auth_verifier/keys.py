"""The issuer's public keys (RFC 7517), parsed once and kept in memory."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from .encoding import decode_base64url

log = logging.getLogger("auth_verifier")

#: Accepted signature algorithms. Each is asymmetric, so a service that can verify tokens cannot
#: issue them.
ALGORITHMS = ("EdDSA", "ES256", "RS256")

_P = 2**255 - 19
#: y coordinates of the Ed25519 points of order 8.
_ORDER_8 = (
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
)


class PublicKey:
    """A public key, which verifies signatures of one algorithm."""

    __slots__ = ("_verify", "algorithm", "kid")

    def __init__(self, kid: str, algorithm: str, verify: Callable[[bytes, bytes], None]) -> None:
        self.kid = kid
        self.algorithm = algorithm
        self._verify = verify

    @classmethod
    def from_jwk(cls, jwk: Any) -> PublicKey:
        """Parses a JWK.

        Raises `ValueError` if it is not a signature key of an accepted algorithm.
        """
        if not isinstance(jwk, dict) or not isinstance(jwk.get("kid"), str):
            raise ValueError("the key has no kid")
        if jwk.get("use") not in (None, "sig") or "verify" not in _operations(jwk):
            raise ValueError("the key is not for signatures")
        algorithm, parse = _parser(jwk)
        if jwk.get("alg") not in (None, algorithm):
            raise ValueError("the key's algorithm is not that of its type")
        return cls(jwk["kid"], algorithm, parse(jwk))

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Returns `True` if `signature` is this key's signature of `message`."""
        try:
            self._verify(signature, message)
        except InvalidSignature:
            return False
        return True


def _operations(jwk: dict[str, Any]) -> list[Any]:
    operations = jwk.get("key_ops")
    if operations is None:
        return ["verify"]
    return operations if isinstance(operations, list) else []


_Verify = Callable[[bytes, bytes], None]


def _parser(jwk: dict[str, Any]) -> tuple[str, Callable[[dict[str, Any]], _Verify]]:
    match jwk.get("kty"), jwk.get("crv"):
        case "OKP", "Ed25519":
            return "EdDSA", _ed25519
        case "EC", "P-256":
            return "ES256", _p256
        case "RSA", _:
            return "RS256", _rsa
    raise ValueError("the key's algorithm is not EdDSA, ES256 or RS256")


def _bytes(jwk: dict[str, Any], name: str) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise ValueError(f"the key has no {name}")
    return decode_base64url(value)


def _ed25519(jwk: dict[str, Any]) -> _Verify:
    """Parses an Ed25519 key (RFC 8037 section 2)."""
    x = _bytes(jwk, "x")
    # Without the highest bit, which is the sign of x. Signatures for a point of low order can be
    # made without a private key, and the library accepts these keys and other encodings.
    y = int.from_bytes(x, "little") & (2**255 - 1)
    if y <= 1 or y >= _P - 1 or y in _ORDER_8:
        raise ValueError("the key has low order, or is not encoded as RFC 8032 requires")
    return ed25519.Ed25519PublicKey.from_public_bytes(x).verify


def _p256(jwk: dict[str, Any]) -> _Verify:
    """Parses a P-256 key (RFC 7518 section 6.2.1)."""
    x, y = _bytes(jwk, "x"), _bytes(jwk, "y")
    if len(x) != 32 or len(y) != 32:
        raise ValueError("a coordinate does not have 32 bytes")
    numbers = (int.from_bytes(x, "big"), int.from_bytes(y, "big"))
    key = ec.EllipticCurvePublicNumbers(*numbers, ec.SECP256R1()).public_key()
    algorithm = ec.ECDSA(hashes.SHA256())

    def verify(signature: bytes, message: bytes) -> None:
        # Two numbers of 32 bytes (RFC 7518 section 3.4). The library reads DER.
        if len(signature) != 64:
            raise InvalidSignature
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        key.verify(encode_dss_signature(r, s), message, algorithm)

    return verify


def _rsa(jwk: dict[str, Any]) -> _Verify:
    """Parses an RSA key of 2048 to 8192 bits (RFC 7518 sections 3.3 and 6.3.1)."""
    n, e = _bytes(jwk, "n"), _bytes(jwk, "e")
    if n[:1] in (b"", b"\0") or e[:1] in (b"", b"\0"):
        raise ValueError("a number is empty or begins with a zero")
    modulus, exponent = int.from_bytes(n, "big"), int.from_bytes(e, "big")
    if not 2048 <= modulus.bit_length() <= 8192 or modulus % 2 == 0:
        raise ValueError("the modulus is even, or does not have 2048 to 8192 bits")
    if not 3 <= exponent < 2**33 or exponent % 2 == 0:
        raise ValueError("the exponent is even, too small or too large")
    key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    scheme, algorithm = padding.PKCS1v15(), hashes.SHA256()
    return lambda signature, message: key.verify(signature, message, scheme, algorithm)


class KeySet:
    """The usable keys of a JWKS, by key id."""

    _versions = itertools.count(1)

    def __init__(self, jwks: Any) -> None:
        """Parses a JWKS, and ignores the keys that cannot be used (RFC 7517 section 5).

        Raises `ValueError` if it is not a JWKS.
        """
        keys = jwks.get("keys") if isinstance(jwks, dict) else None
        if not isinstance(keys, list):
            raise ValueError("not a JWKS")
        self._keys: dict[str, PublicKey] = {}
        for jwk in keys:
            try:
                key = PublicKey.from_jwk(jwk)
            except ValueError as error:
                log.debug("ignoring a key of the JWKS: %s", error)
            else:
                self._keys[key.kid] = key
        #: No other set of this process has this number.
        self.version = next(self._versions)

    def get(self, kid: str) -> PublicKey | None:
        """Returns the key with this id."""
        return self._keys.get(kid)

    @property
    def is_empty(self) -> bool:
        """`True` if no key can be used."""
        return not self._keys

    @property
    def ids(self) -> list[str]:
        """The ids of the usable keys, sorted."""
        return sorted(self._keys)
