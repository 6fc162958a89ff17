"""`keys.json`: key sets with keys that must be used, ignored or refused (RFC 7517, RFC 7518)."""

from collections.abc import Iterator
from typing import Any

from .signing import ED25519, ISSUER_KEYS, P256, RSA, WEAK_RSA, Json, Signer, b64, settings, unb64

#: y coordinates of the Ed25519 points of order 8.
ORDER_8 = (
    "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU",
    "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o",
)


def document() -> Json:
    """Returns the content of `keys.json`."""
    sets = [*_whole_sets(), *_single_keys()]
    names = [one["name"] for one in sets]
    assert len(names) == len(set(names)), names
    return {**settings(), "sets": sets}


def _set(name: str, keys: list[Any], usable: list[str], source: str = "", **jwks: Any) -> Json:
    """Returns a set whose tokens are signed with the private keys of the same names."""
    kids = [key["kid"] for key in keys if isinstance(key, dict) and isinstance(key.get("kid"), str)]
    tokens = [{"token": _token(kid), "verdict": _verdict(kid, usable)} for kid in kids]
    rule = {"source": source} if source else {}
    jwks = {"keys": keys, **jwks}
    return {"name": name, **rule, "jwks": jwks, "usable": sorted(usable), "tokens": tokens}


def _token(kid: str) -> str:
    signer = next((signer for signer in (*ISSUER_KEYS, WEAK_RSA) if signer.kid == kid), None)
    signer = signer or ED25519
    return signer.token(signer.header(kid=kid))


def _verdict(kid: str, usable: list[str]) -> str:
    if not usable:
        return "keys_unavailable"
    return "accepted" if kid in usable else "unknown_key"


def _whole_sets() -> Iterator[Json]:
    all_keys = [signer.jwk for signer in ISSUER_KEYS]
    all_ids = [signer.kid for signer in ISSUER_KEYS]
    yield _set("one key of each algorithm", all_keys, all_ids)
    yield _set("members of a later version", all_keys, all_ids, "RFC 7517 section 5", x=[1])
    yield _set("no key", [], [])
    secret = {"kty": "oct", "k": "AAAA", "kid": "secret", "alg": "HS256"}
    yield _set("only a symmetric key", [secret], [], "RFC 8725 section 3.1")


def _single_keys() -> Iterator[Json]:
    for signer in ISSUER_KEYS:
        yield from _uses(signer)
    yield from _types()
    yield from _base64()
    yield from _p256()
    yield from _ed25519()
    yield from _rsa()


def _beside(name: str, jwk: Json, is_usable: bool, source: str = "") -> Json:
    """Returns a set of this key and of a good one, which stays usable whatever the other is."""
    good = _another(ED25519) if jwk["kid"] == ED25519.kid else ED25519
    usable = [good.kid, *([jwk["kid"]] if is_usable else [])]
    return _set(name, [jwk, good.jwk], usable, source)


def _changed(signer: Signer, **changes: Any) -> Json:
    """Returns a JWK with changes. A value of `...` removes a member."""
    jwk = {**signer.jwk, **changes}
    return {name: value for name, value in jwk.items() if value is not ...}


def _uses(signer: Signer) -> Iterator[Json]:
    source = "RFC 7517 sections 4.2 and 4.3"
    for name, value, is_usable in (
        ("use", "sig", True),
        ("use", ..., True),
        ("use", "enc", False),
        ("use", "SIG", False),
        ("key_ops", ["verify"], True),
        ("key_ops", ["sign", "verify"], True),
        ("key_ops", ["sign"], False),
        ("key_ops", ["encrypt", "wrapKey"], False),
        ("key_ops", [], False),
    ):
        what = "missing" if value is ... else str(value)
        yield _beside(
            f"{name} {what}: {signer.alg}", _changed(signer, **{name: value}), is_usable, source
        )
    source = "RFC 7517 section 4.4"
    yield _beside(f"alg missing: {signer.alg}", _changed(signer, alg=...), True, source)
    for alg in ("EdDSA", "ES256", "RS256", "HS256", "PS256", "RS384", "ES384", "eddsa", "unknown"):
        if alg != signer.alg:
            yield _beside(f"alg {alg}: {signer.alg}", _changed(signer, alg=alg), False, source)
    # No token can name the key.
    yield _set(
        f"kid missing: {signer.alg}", [_changed(signer, kid=...), _another(signer).jwk],
        [_another(signer).kid], "RFC 7517 section 4.5",
    )  # fmt: skip


def _another(signer: Signer) -> Signer:
    """Returns a key of another algorithm."""
    return RSA if signer is ED25519 else ED25519


def _types() -> Iterator[Json]:
    for name, jwk in (
        ("a symmetric key", {"kty": "oct", "k": "AAAA", "kid": "x", "alg": "HS256"}),
        ("X25519", {"kty": "OKP", "crv": "X25519", "x": ED25519.jwk["x"], "kid": "x"}),
        ("Ed448", {"kty": "OKP", "crv": "Ed448", "x": b64(bytes(57)), "kid": "x"}),
        ("P-384", {**P256.jwk, "crv": "P-384", "kid": "x"}),
        ("secp256k1", {**P256.jwk, "crv": "secp256k1", "alg": ..., "kid": "x"}),
        ("an unknown key type", {"kty": "unknown", "kid": "x"}),
    ):
        jwk = {name: value for name, value in jwk.items() if value is not ...}
        yield _beside(f"type: {name}", jwk, False, "RFC 7517 section 5")


def _base64() -> Iterator[Json]:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for signer, member in ((ED25519, "x"), (P256, "x"), (P256, "y"), (RSA, "n")):
        text = signer.jwk[member]
        stray = text[:-1] + alphabet[alphabet.index(text[-1]) | 1]
        for name, spelling in (
            ("empty", ""),
            ("padding", text + "="),
            ("a space before", " " + text),
            ("a line feed behind", text + "\n"),
            ("the other alphabet", "+/" + text[2:]),
            ("a stray bit", stray),
        ):
            jwk = _changed(signer, **{member: spelling})
            what = f"base64url: {name}: {member} of {signer.alg}"
            yield _beside(what, jwk, False, "RFC 7518 section 2, RFC 4648 section 3.5")


def _p256() -> Iterator[Json]:
    x, y = unb64(P256.jwk["x"]), unb64(P256.jwk["y"])
    prime = 2**256 - 2**224 + 2**192 + 2**96 - 1
    for name, bad_x, bad_y in (
        ("swapped", y, x),
        ("not on the curve", x, y[:-1] + bytes([y[-1] ^ 1])),
        ("at infinity", bytes(32), bytes(32)),
        ("x is zero", bytes(32), y),
        ("y is zero", x, bytes(32)),
        ("x is p", prime.to_bytes(32, "big"), y),
        ("x is not below p", b"\xff" * 32, y),
        ("x padded", b"\0" + x, y),
        ("y padded", x, b"\0" + y),
        ("x cut short", x[1:], y),
        ("y cut short", x, y[:31]),
        ("the end of x in y", x[:31], x[31:] + y),
    ):
        jwk = _changed(P256, x=b64(bad_x), y=b64(bad_y))
        yield _beside(f"P-256: {name}", jwk, False, "RFC 8725 section 3.4")


def _ed25519() -> Iterator[Json]:
    source = "RFC 8032 section 5.1.3, RFC 8725 section 3.4"
    weak = {"order 4": bytes(32), "order 1": b"\1" + bytes(31)}
    weak.update({f"order 8, {at}": unb64(text) for at, text in enumerate(ORDER_8)})
    for last in (0xEC, 0xED, 0xEE, 0xF0, 0xFF):
        weak[f"y is p{last - 0xED:+}"] = bytes([last]) + b"\xff" * 30 + b"\x7f"
    for name, y in weak.items():
        for sign in (0, 0x80):
            key = y[:31] + bytes([y[31] & 0x7F | sign])
            what = f"Ed25519: {name}, sign {int(sign > 0)}"
            yield _beside(what, _changed(ED25519, x=b64(key)), False, source)
    x = unb64(ED25519.jwk["x"])
    for name, key in (("short", x[1:]), ("long", x + b"\0")):
        yield _beside(f"Ed25519: {name}", _changed(ED25519, x=b64(key)), False, source)


def _rsa() -> Iterator[Json]:
    n = unb64(RSA.jwk["n"])
    for name, bad_n, bad_e in (
        ("e is 1", n, b"\1"),
        ("e is 2", n, b"\2"),
        ("e is even", n, b"\1\0\0"),
        ("n is even", n[:-1] + bytes([n[-1] & 0xFE]), b"\1\0\1"),
        ("n is zero", bytes(256), b"\1\0\1"),
        ("e is zero", n, b"\0"),
        ("no e", n, b""),
        ("n padded", b"\0" + n, b"\1\0\1"),
        ("e padded", n, b"\0\1\0\1"),
    ):
        jwk = _changed(RSA, n=b64(bad_n), e=b64(bad_e))
        yield _beside(f"RSA: {name}", jwk, False, "RFC 7518 sections 2 and 6.3.1")
    yield _beside("RSA: 1024 bits", WEAK_RSA.jwk, False, "RFC 7518 section 3.3")
