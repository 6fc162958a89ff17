"""`tokens.json`: good and forged access tokens. Each forged one has one fault."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from .signing import (
    ATTACKER_KEYS,
    AUDIENCE,
    ED25519,
    ISSUER,
    ISSUER_KEYS,
    JWKS,
    NOW,
    P256,
    RSA,
    SESSION,
    Json,
    Signer,
    b64,
    settings,
    valid_claims,
)

#: Order of the P-256 group.
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
#: Order of the Ed25519 group.
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

#: Signatures with PSS padding, which are random, of the tokens that `_algorithms` makes.
_PSS = {
    "PS256": (
        "XAW1OA49lIelpgoY87UeW8CWQcBaVn0fwtnkPR2r4Da-3805_xEKCBbZEJ5bUD1U6Gv-LAmzlcxsg8lbpsNUrD-D"
        "96jZj6z-T5yWsR7GWqo2TUlCOTk89q2FIwhzkb2clA0r-VIBYOtJbp63QW87SA51VdehmCSC0Jqj94e2gP-SHHxG"
        "Qssh2lEWkZP71LRdmyRzUFMosoqF4aYBRzUgljOdhgOy_pBb6CMlkc5zILISFzcTWKsI3r2jrOAc9MoE54AyUxiP"
        "GPynig4TUauSiLFk8wGoAngPICxw3JPs0VE_AKwGxdTMUfotPPmjWDAYamfFufKDqYhCu8SoX23WlQ"
    ),
    "RS256": (
        "Zu8MzW_rpH6ZPEMcSh5C5J8Q8HSzXhtWTw1QZBPJJvPs_wx_eQ9VuvVhhcyyRJc6yoM8_UdbVdnP5M9E9jAO9dbv"
        "x53NvgI1yNOwR4XnlTyE-s3USvFTtKnjca-4Q0XT2yMJkYrGqurYVCgHR72r8hPOLV9m2EcZ3xdWFc9pLbhc5CJ2"
        "aEdRByyGzgmA9Umy_5yj_eMvlm3pnRMbEsZ4gmbQ8EcEBoShfsIfu-MnXz4iEeOxSXWOEzwp7gCUfT5DD4j01ohY"
        "1Xu1hLMIyIRe3C6L-7mUEYRcr9PpsAEkTR_IkL9ZN_0al08srmi95_XQKmO1GATOOTcodKVZ90HWiw"
    ),
}

Vector = Json


def document() -> Json:
    """Returns the content of `tokens.json`."""
    vectors = [
        *_accepted(),
        *_parts(),
        *_encodings(),
        *_json(),
        *_sizes(),
        *_algorithms(),
        *_header(),
        *_keys_in_the_header(),
        *_signatures(),
        *_fixed_claims(),
        *_times(),
        *_types_of_claims(),
        *_repeated_names(),
    ]
    names = [vector["name"] for vector in vectors]
    assert len(names) == len(set(names)), [name for name in names if names.count(name) > 1]
    return {**settings(), "keys": JWKS, "tokens": vectors}


def _vector(name: str, token: str, verdict: str, source: str = "", **more: Any) -> Vector:
    rule = {"source": source} if source else {}
    return {"name": name, "token": token, "verdict": verdict, **rule, **more}


def _claims(name: str, verdict: str, source: str = "", **claims: Any) -> Vector:
    return _vector(name, ED25519.token(claims=valid_claims(**claims)), verdict, source)


def _header_of(signer: Signer, name: str, verdict: str, source: str = "", **header: Any) -> Vector:
    return _vector(name, signer.token(header=signer.header(**header)), verdict, source)


def _text(members: Json) -> str:
    return json.dumps(members, separators=(",", ":"), ensure_ascii=False)


def _prepend(members: Json, member: str) -> str:
    """Returns an object with one more member, which can repeat a name."""
    return "{" + member + "," + _text(members)[1:]


def _append(members: Json, member: str) -> str:
    return _text(members)[:-1] + "," + member + "}"


def _accepted() -> Iterator[Vector]:
    for signer in ISSUER_KEYS:
        claims = valid_claims()
        yield _vector(f"good: {signer.alg}", signer.token(), "accepted", claims=claims)
    full = valid_claims(
        aud=["other", AUDIENCE], nbf=NOW, auth_time=NOW - 60, roles=["editor", "admin"],
        preferred_username="ad\u00e4", client_id="first-party",
    )  # fmt: skip
    yield _vector("good: all claims", ED25519.token(claims=full), "accepted", claims=full)
    few = valid_claims(scope=...)
    yield _vector("good: no scope", ED25519.token(claims=few), "accepted", claims=few)
    client = valid_claims(sub="batch", client_id="batch")
    yield _vector("good: of a client", ED25519.token(claims=client), "accepted", claims=client)
    yield _claims("good: unknown claims", "accepted", EXP=1, Iss="x", x={"y": [1, None]})
    yield _header_of(ED25519, "good: unknown parameter", "accepted", x=1, ALG="none", KID="x")
    spaced = [
        " \t\r\n" + _text(part).replace(",", " ,\n") + " "
        for part in (ED25519.header(), valid_claims())
    ]
    yield _vector("good: white space around the JSON", ED25519.token(*spaced), "accepted")
    for iss in (ISSUER + "/",):
        yield _claims("good: iss with a trailing slash", "accepted", iss=iss)


def _parts() -> Iterator[Vector]:
    for signer in ISSUER_KEYS:
        valid = signer.token()
        head, body, signature = valid.split(".")
        for name, token, verdict in (
            ("two parts", f"{head}.{body}", "malformed"),
            ("no signature", f"{head}.{body}.", "signature"),
            ("no payload, signature of the token", f"{head}..{signature}", "signature"),
            ("no payload, signed", signer.signed(f"{head}."), "malformed"),
            ("no header, signed", signer.signed(f".{body}"), "malformed"),
            ("a dot before", f".{valid}", "malformed"),
            ("Bearer before", f"Bearer {valid}", "malformed"),
            ("a space before", f" {valid}", "malformed"),
            ("a line feed behind", f"{valid}\n", "malformed"),
            ("NUL behind", f"{valid}\0", "malformed"),
            ("quoted", f'"{valid}"', "malformed"),
            ("full-width dots", valid.replace(".", "\uff0e"), "malformed"),
            ("percent-encoded dots", valid.replace(".", "%2E"), "malformed"),
        ):
            yield _vector(f"parts: {name}: {signer.alg}", token, verdict, "RFC 7515 section 3.1")
    head, body, signature = ED25519.token().split(".")
    for name, token in (
        ("empty", ""),
        ("one dot", "."),
        ("two dots", ".."),
        ("one part", head),
        ("four parts, signed", ED25519.signed(f"{head}.{body}.")),
        ("five parts, signed", ED25519.signed(f"{head}.{body}.{body}.{body}")),
        ("flattened JSON", _text({"protected": head, "payload": body, "signature": signature})),
        (
            "general JSON",
            _text(
                {
                    "payload": body,
                    "signatures": [{"protected": head, "signature": signature}],
                    "url": "http://a.b.c",
                }
            ),
        ),
    ):
        yield _vector(f"parts: {name}", token, "malformed", "RFC 7515 section 3.1")


def _ragged(members: Json) -> str:
    """Returns JSON whose base64url has stray bits, and differs between the two alphabets."""
    text = _prepend(members, '"x":">>>>????"')
    while len(text) % 3 == 0:
        text += " "
    return b64(text)


def _encodings() -> Iterator[Vector]:
    changes: dict[str, Callable[[str], str]] = {
        "padding": lambda text: text + "=" * (-len(text) % 4 or 4),
        "a space behind": lambda text: text + " ",
        "a line feed inside": lambda text: text[:8] + "\n" + text[8:],
        "NUL inside": lambda text: text[:8] + "\0" + text[8:],
        "a stray letter": lambda text: text[:8] + "\u00e9" + text[8:],
        "a stray sign": lambda text: text[:8] + "*" + text[8:],
        "the other alphabet": lambda text: text.replace("-", "+").replace("_", "/"),
        "percent-encoded": lambda text: text.replace("-", "%2D").replace("_", "%5F"),
        "a stray bit": lambda text: text[:-1] + ALPHABET[ALPHABET.index(text[-1]) | 1],
    }
    for signer in ISSUER_KEYS:
        for part, of in enumerate(("header", "payload", "signature")):
            for name, change in changes.items():
                token = _changed_part(signer, part, change)
                source = "RFC 7515 section 2, RFC 4648 section 3.5"
                yield _vector(f"base64url: {name}: {of}: {signer.alg}", token, "malformed", source)


def _changed_part(signer: Signer, part: int, change: Callable[[str], str]) -> str:
    """Returns a token with one part changed. The signature covers what is changed."""
    for attempt in range(1000):
        header = _ragged(signer.header())
        claims = _ragged(valid_claims(attempt=attempt))
        header = change(header) if part == 0 else header
        claims = change(claims) if part == 1 else claims
        signature = b64(signer.sign(f"{header}.{claims}"))
        if "-" in signature and "_" in signature:
            signature = change(signature) if part == 2 else signature
            return f"{header}.{claims}.{signature}"
    raise AssertionError("no signature with both characters")


def _json() -> Iterator[Vector]:
    header, claims = _text(ED25519.header()), _text(valid_claims())
    for of, text in (("header", header), ("payload", claims)):
        faulty: dict[str, bytes] = {
            "not UTF-8": text[:-1].encode() + b',"x":"\xff"}',
            "a byte order mark": b"\xef\xbb\xbf" + text.encode(),
            "UTF-16": text.encode("utf-16-le"),
            "twice": (text + text).encode(),
            "NUL behind": text.encode() + b"\0",
            "a comment": text.encode() + b"//",
            "a trailing comma": text[:-1].encode() + b",}",
            "not closed": text[:-1].encode(),
            "single quotes": text.replace('"', "'").encode(),
            "in an array": f"[{text}]".encode(),
            "in a string": json.dumps(text).encode(),
            "an array of the values": _text(list(json.loads(text).values())).encode(),
            "NaN": text[:-1].encode() + b',"x":NaN}',
            "Infinity": text[:-1].encode() + b',"x":-Infinity}',
            "a raw control character": text[:-1].encode() + b',"x":"\n"}',
            "an empty array": b"[]",
            "an empty object": b"{}",
            "null": b"null",
            "a number": b"0",
            "a string": b'""',
            "a space": b" ",
        }
        for name, data in faulty.items():
            parts = (data, claims) if of == "header" else (header, data)
            token = ED25519.token(*parts)
            yield _vector(f"JSON: {name}: {of}", token, "malformed", "RFC 7519 section 7.2")
    half = claims.replace(f'"{valid_claims()["sub"]}"', '"\\ud800"', 1)
    yield _vector("JSON: a lone surrogate: sub", ED25519.token(claims=half), "malformed")
    nested = "[" * 100 + "1" + "]" * 100
    token = ED25519.token(claims=_append(valid_claims(), f'"x":{nested}'))
    yield _vector("JSON: nested 100 times: unknown claim", token, "accepted")
    for name in ("alg", "kid", "typ"):
        text = _append(ED25519.header(**{name: ...}), f'"{name}":{nested}')
        yield _vector(f"JSON: nested 100 times: {name}", ED25519.token(text), "malformed")
    for name in ("aud", "sub", "exp"):
        text = _append(valid_claims(**{name: ...}), f'"{name}":{nested}')
        yield _vector(f"JSON: nested 100 times: {name}", ED25519.token(claims=text), "malformed")
    yield _vector("JSON: nested 2500 times: payload", ED25519.token(claims="[" * 2500), "malformed")


def _sizes() -> Iterator[Vector]:
    for length, verdict in (
        (8191, "accepted"),
        (8192, "accepted"),
        (8193, "malformed"),
        (65536, "malformed"),
    ):
        token = next(token for token in _padded(length) if len(token) == length)
        yield _vector(f"size: {length} bytes", token, verdict)
    yield _vector("size: 100000 dots", "." * 100_000, "malformed")


def _padded(length: int) -> Iterator[str]:
    """Returns tokens of about this length. One of four lengths is impossible for one part."""
    header, claims = _text(ED25519.header()), _text(valid_claims())
    room = (length - len(ED25519.token())) // 4 * 3
    for before in range(4):
        for spaces in range(room - 8, room + 8):
            yield ED25519.token(header + " " * before, claims + " " * max(spaces, 0))


def _algorithms() -> Iterator[Vector]:
    source = "RFC 8725 sections 3.1 and 3.2"
    for signer in ISSUER_KEYS:
        for alg in ("none", "None", "NONE", "nOnE", "none ", "", "null"):
            token = signer.token(signer.header(alg=alg))
            unsigned = token.rpartition(".")[0] + "."
            yield _vector(f"alg: {alg!r}, signed: {signer.alg}", token, "algorithm", source)
            yield _vector(f"alg: {alg!r}, unsigned: {signer.alg}", unsigned, "algorithm", source)
        for alg in (None, 0, False, [signer.alg], {"name": signer.alg}, ...):
            what = "missing" if alg is ... else json.dumps(alg)
            yield _header_of(signer, f"alg: {what}: {signer.alg}", "malformed", source, alg=alg)
        for other in ISSUER_KEYS:
            if other is not signer:
                what = f"{signer.alg} for {other.alg}"
                yield _header_of(signer, f"alg: {what}", "algorithm", source, alg=other.alg)
                yield _header_of(signer, f"kid: {what}", "algorithm", source, kid=other.kid)
                yield _header_of(
                    signer,
                    f"alg and kid: {what}",
                    "signature",
                    source,
                    alg=other.alg,
                    kid=other.kid,
                )
        for secret_name, secret in _public_forms(signer).items():
            for alg, verdict in (("HS256", "algorithm"), (signer.alg, "signature")):
                head = f"{b64(signer.header(alg=alg))}.{b64(valid_claims())}"
                tag = hmac.digest(secret, head.encode(), hashlib.sha256)
                name = f"HMAC with the public key ({secret_name}) as {alg}: {signer.alg}"
                yield _vector(name, f"{head}.{b64(tag)}", verdict, source)
    others = "HS256 HS512 RS384 RS512 PS256 ES256K ES384 ES512 Ed25519 Ed448 ML-DSA-44 eddsa es256"
    for alg in [*others.split(), "RSA-OAEP", "dir", "EdDSA "]:
        yield _header_of(ED25519, f"alg: {alg!r}", "algorithm", source, alg=alg)
    for alg, verdict in (("PS256", "algorithm"), ("RS256", "signature")):
        head = f"{b64(RSA.header(alg=alg))}.{b64(valid_claims())}"
        yield _vector(f"PSS padding as {alg}", f"{head}.{_PSS[alg]}", verdict, source)


def _public_forms(signer: Signer) -> dict[str, bytes]:
    public = signer._key.public_key()
    der = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {"PEM": pem, "DER": der, "JWK": _text(signer.jwk).encode(), "empty": b""}


def _header() -> Iterator[Vector]:
    for signer in ISSUER_KEYS:
        for crit in ([], ["exp"], ["alg"], ["b64"], [1], None, "exp", {}):
            yield _header_of(
                signer, f"crit: {json.dumps(crit)}: {signer.alg}", "critical",
                "RFC 7515 section 4.1.11", crit=crit, b64=False,
            )  # fmt: skip
        source = "RFC 7797 section 6"
        yield _header_of(signer, f"b64 without crit: {signer.alg}", "accepted", source, b64=False)
        head = b64(signer.header(b64=False))
        unencoded = signer.signed(f"{head}.{_text(valid_claims())}")
        yield _vector(
            f"b64 without crit, not encoded: {signer.alg}", unencoded, "malformed", source
        )
    source = "RFC 9068 section 2.1"
    for typ in (
        "JWT", "jwt", "rt+jwt", "dpop+jwt", "logout+jwt", "at+jwt ", " at+jwt", "at+jwt;v=1", "at",
        "", "application/", "application/jwt", "application/application/at+jwt", "text/at+jwt",
        "application\u2215at+jwt", "at+jwt\u0130", None, ...,
    ):  # fmt: skip
        what = "missing" if typ is ... else json.dumps(typ)
        yield _header_of(ED25519, f"typ: {what}", "wrong_type", source, typ=typ)
    for typ in ("AT+JWT", "At+Jwt", "application/at+jwt", "APPLICATION/AT+JWT"):
        yield _header_of(ED25519, f"typ: {typ}", "accepted", source, typ=typ)
    for typ in (1, ["at+jwt"], {}, True):
        yield _header_of(ED25519, f"typ: {json.dumps(typ)}", "malformed", source, typ=typ)
    for kid in (
        "", " ", "../../../dev/null", "file:///proc/self/environ", "http://evil.test/key.pem",
        "' OR '1'='1", "$(id)", "${jndi:ldap://evil.test}", "%00", "*", ED25519.kid.upper(),
        ED25519.kid + " ", ED25519.kid[1:], "k" * 5000, "__proto__", "constructor", "toString",
        None, ...,
    ):  # fmt: skip
        what = "missing" if kid is ... else json.dumps(kid)[:40]
        yield _header_of(ED25519, f"kid: {what}", "unknown_key", "RFC 8725 section 3.10", kid=kid)
    for kid in (1, True, [ED25519.kid], {"kid": ED25519.kid}):
        yield _header_of(ED25519, f"kid: {json.dumps(kid)}", "malformed", kid=kid)
    for attacker in ATTACKER_KEYS:
        yield _vector(f"kid: of another issuer: {attacker.alg}", attacker.token(), "unknown_key")


def _keys_in_the_header() -> Iterator[Vector]:
    source = "RFC 8725 section 3.10"
    for issuer, attacker in zip(ISSUER_KEYS, ATTACKER_KEYS, strict=True):
        url = "http://evil.test/jwks.json"
        parameters: list[tuple[str, str, Any]] = [
            ("jwk of the attacker", "jwk", attacker.jwk),
            (
                "jwk of the attacker with the issuer's kid",
                "jwk",
                {**attacker.jwk, "kid": issuer.kid},
            ),
            ("jwk that is no key", "jwk", "nonsense"),
            ("jku", "jku", url),
            ("x5u", "x5u", url),
            ("x5c", "x5c", ["AAAA"]),
        ]
        for what, name, value in parameters:
            for signer, header, verdict in (
                (attacker, attacker.header(**{name: value}), "unknown_key"),
                (attacker, issuer.header(**{name: value}), "signature"),
                (issuer, issuer.header(**{name: value}), "accepted"),
            ):
                kid = header["kid"]
                yield _vector(
                    f"{what}, signed by {signer.kid}, kid {kid}",
                    signer.token(header),
                    verdict,
                    source,
                )


def _signatures() -> Iterator[Vector]:
    for signer, attacker in zip(ISSUER_KEYS, ATTACKER_KEYS, strict=True):
        signing_input, _, encoded = signer.token().rpartition(".")
        valid = signer.sign(signing_input)
        size = len(valid)
        changes = {
            "one byte": valid[:1],
            "half": valid[: size // 2],
            "cut at the end": valid[:-1],
            "cut at the start": valid[1:],
            "a zero before": b"\0" + valid,
            "a zero behind": valid + b"\0",
            "twice": valid + valid,
            "backwards": valid[::-1],
            "halves swapped": valid[size // 2 :] + valid[: size // 2],
            "zeros": bytes(size),
            "one": bytes(size - 1) + b"\1",
            "all bits": b"\xff" * size,
            "a changed bit": bytes([valid[0] ^ 1]) + valid[1:],
            "of another message": signer.sign("message"),
        }
        for name, signature in changes.items():
            token = f"{signing_input}.{b64(signature)}"
            yield _vector(f"signature: {name}: {signer.alg}", token, "signature")
        forged = attacker.token(signer.header())
        yield _vector(f"signature: of another key: {signer.alg}", forged, "signature")
        other = signer.token(claims=valid_claims(sub="other")).split(".")
        mixed = f"{signing_input.split('.')[0]}.{other[1]}.{encoded}"
        yield _vector(f"signature: with another payload: {signer.alg}", mixed, "signature")
    yield from _ecdsa_signatures()
    yield from _ed25519_signatures()


def _ecdsa_signatures() -> Iterator[Vector]:
    source = "RFC 7518 section 3.4"
    signing_input = P256.token().rpartition(".")[0]
    valid = P256.sign(signing_input)
    r, s = (int.from_bytes(half, "big") for half in (valid[:32], valid[32:]))

    def of(name: str, signature: bytes, verdict: str = "signature") -> Vector:
        return _vector(f"ECDSA: {name}", f"{signing_input}.{b64(signature)}", verdict, source)

    numbers = {"0": 0, "1": 1, "n - 1": P256_ORDER - 1, "n": P256_ORDER, "the largest": 2**256 - 1}
    for name, number in numbers.items():
        data = number.to_bytes(32, "big")
        yield of(f"r is {name}", data + valid[32:])
        yield of(f"s is {name}", valid[:32] + data)
        yield of(f"r and s are {name}", data + data)
    yield of("33 bytes each", b"\0" + valid[:32] + b"\0" + valid[32:])
    yield of("DER", encode_dss_signature(r, s))
    # Harmless: the second form needs a valid token, and sessions are ended by their id.
    yield of("the other form of s", valid[:32] + (P256_ORDER - s).to_bytes(32, "big"), "accepted")


def _ed25519_signatures() -> Iterator[Vector]:
    source = "RFC 8032 section 5.1.7"
    signing_input = ED25519.token().rpartition(".")[0]
    valid = ED25519.sign(signing_input)
    s = int.from_bytes(valid[32:], "little")
    for times in range(1, 9):
        grown = valid[:32] + (s + times * ED25519_ORDER).to_bytes(32, "little")
        token = f"{signing_input}.{b64(grown)}"
        yield _vector(f"Ed25519: S + {times} L", token, "signature", source)
    for bit in (0x20, 0x40, 0x80):
        token = f"{signing_input}.{b64(valid[:63] + bytes([valid[63] | bit]))}"
        yield _vector(f"Ed25519: bit {bit:x} of S", token, "signature", source)


def _fixed_claims() -> Iterator[Vector]:
    yield _claims("token_type: refresh", "wrong_type", token_type="refresh")
    for other in ("Access", "", "id", "access ", None, 1, ...):
        what = "missing" if other is ... else json.dumps(other)
        yield _claims(f"token_type: {what}", "malformed", token_type=other)
    for iss in (
        f"{ISSUER}//", f"{ISSUER}/.", f"{ISSUER} ", f"{ISSUER}\0", f"{ISSUER}.evil.test",
        f"{ISSUER}#", f"{ISSUER}?", f"/{ISSUER}", ISSUER.upper(), ISSUER[:-1], "http://issuer.test",
        "https://evil.test", "",
    ):  # fmt: skip
        yield _claims(f"iss: {iss!r}", "issuer", "RFC 7519 section 4.1.1", iss=iss)
    for aud in (
        "other", "", "API", "api ", " api", "api other", "api\0", "ap", "apis", [], [""],
        ["other", "API"],
    ):  # fmt: skip
        yield _claims(f"aud: {json.dumps(aud)}", "audience", "RFC 7519 section 4.1.3", aud=aud)
    for aud in (["api", 1], ["api", None], [["api"]], {"api": True}, 0, True, None):
        yield _claims(f"aud: {json.dumps(aud)}", "malformed", "RFC 7519 section 4.1.3", aud=aud)


def _times() -> Iterator[Vector]:
    for what, exp, verdict in (
        ("in 1 second", NOW + 1, "accepted"),
        ("now", NOW, "accepted"),
        ("9 seconds ago, within the leeway", NOW - 9, "accepted"),
        ("10 seconds ago", NOW - 10, "expired"),
        ("an hour ago", NOW - 3600, "expired"),
        ("1", 1, "expired"),
        ("0", 0, "expired"),
        ("-1", -1, "expired"),
        ("the smallest integer of 53 bits", -(2**53) + 1, "expired"),
        ("the largest integer of 53 bits", 2**53 - 1, "accepted"),
    ):
        yield _claims(f"exp: {what}", verdict, "RFC 7519 section 4.1.4", exp=exp)
    for name, section in (("iat", "4.1.6"), ("nbf", "4.1.5")):
        for what, time, verdict in (
            ("0", 0, "accepted"),
            ("-1", -1, "accepted"),
            ("10 seconds ahead, within the leeway", NOW + 10, "accepted"),
            ("11 seconds ahead", NOW + 11, "not_yet_valid"),
            ("an hour ahead", NOW + 3600, "not_yet_valid"),
            ("the largest integer of 53 bits", 2**53 - 1, "not_yet_valid"),
        ):
            yield _claims(f"{name}: {what}", verdict, f"RFC 7519 section {section}", **{name: time})
    yield _claims("nbf: null counts as absent", "accepted", nbf=None)
    yield _claims("iat ahead, nbf past", "not_yet_valid", iat=NOW + 60, nbf=1)
    yield _claims("nbf ahead, iat past", "not_yet_valid", iat=1, nbf=NOW + 60)
    for name in ("exp", "iat", "nbf"):
        # "1e400" is larger than a floating-point number. "0123" and the like are no JSON.
        texts = (
            '"4000000300"',
            '""',
            "1e400",
            "0123",
            "+1",
            "0x7f",
            "[4000000300]",
            '{"":1}',
            "true",
        )
        for text in texts if name == "nbf" else (*texts, "null"):
            claims = _append(valid_claims(**{name: ...}), f'"{name}":{text}')
            yield _vector(f"{name}: {text}", ED25519.token(claims=claims), "malformed")


def _types_of_claims() -> Iterator[Vector]:
    for name in ("iss", "sub", "aud", "exp", "iat", "jti", "sid"):
        if name not in ("aud", "exp", "iat"):
            for value in (None, True, 1, ["x"], {}):
                yield _claims(f"{name}: {json.dumps(value)}", "malformed", **{name: value})
        yield _claims(f"{name}: missing", "malformed", "RFC 9068 section 2.2", **{name: ...})
    for name in ("jti", "sid"):
        for value in ("", "1", SESSION[:-1], SESSION[:-1] + "g", SESSION + "0", " " + SESSION):
            yield _claims(f"{name}: {value!r}", "malformed", **{name: value})
        yield _claims(
            f"{name}: upper case", "accepted", "RFC 9562 section 4", **{name: SESSION.upper()}
        )
    for value in (None, 1, ["reports:read"], {}, True):
        yield _claims(
            f"scope: {json.dumps(value)}", "malformed", "RFC 9068 section 2.2.3", scope=value
        )
    for value in (None, "admin", [1], [None], {"admin": True}):
        yield _claims(f"roles: {json.dumps(value)}", "malformed", roles=value)
    for name in ("preferred_username", "client_id"):
        yield _claims(f"{name}: null counts as absent", "accepted", **{name: None})
        for value in (1, [], {}, True):
            yield _claims(f"{name}: {json.dumps(value)}", "malformed", **{name: value})
    yield _claims("auth_time: null counts as absent", "accepted", auth_time=None)
    for value in ("1", [], {}, True):
        yield _claims(f"auth_time: {json.dumps(value)}", "malformed", auth_time=value)


def _repeated_names() -> Iterator[Vector]:
    source = "RFC 8725 section 2.6, RFC 7519 section 4, RFC 7515 section 4"
    header = ED25519.header()
    for member in (
        '"alg":"none"', '"alg":"EdDSA"', '"\\u0061lg":"none"', '"typ":"JWT"', '"typ":"at+jwt"',
        '"kid":"other"', f'"kid":"{ED25519.kid}"', '"k\\u0069d":"other"', '"crit":null,"crit":null',
    ):  # fmt: skip
        for where, text in (("first", _prepend(header, member)), ("last", _append(header, member))):
            yield _vector(f"repeated, {where}: {member}", ED25519.token(text), "malformed", source)
    claims = valid_claims()
    for name, value in claims.items():
        text = json.dumps(value)
        escaped = f'"\\u{ord(name[0]):04x}{name[1:]}":{text}'
        for where, twice in (
            ("first", _prepend(claims, f'"{name}":{text}')),
            ("last", _append(claims, f'"{name}":{text}')),
            ("null first", _prepend(claims, f'"{name}":null')),
            ("escaped", _append(claims, escaped)),
        ):
            token = ED25519.token(claims=twice)
            yield _vector(f"repeated, {where}: {name}", token, "malformed", source)
    for name in ("nbf", "roles", "client_id", "auth_time", "preferred_username"):
        value = {"roles": "[]", "nbf": "1", "auth_time": "1"}.get(name, '"x"')
        twice = _append(claims, f'"{name}":{value},"{name}":{value}')
        yield _vector(f"repeated: {name}", ED25519.token(claims=twice), "malformed", source)
