"""Strict decoding: base64url with one spelling for each value, JSON without repeated names."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

_UUID = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def decode_base64url(text: str) -> bytes:
    """Decodes base64url without padding (RFC 7515 section 2).

    Raises `ValueError` for padding, characters outside the alphabet, and stray bits.
    """
    encoded = text.encode("ascii")
    data = base64.urlsafe_b64decode(encoded + b"=" * (-len(encoded) % 4))
    # Python's decoder skips what it does not know. The encoder has one result.
    if base64.urlsafe_b64encode(data).rstrip(b"=") != encoded:
        raise ValueError("not canonical base64url")
    return data


def parse_object(data: bytes) -> dict[str, Any]:
    """Parses a JSON object in UTF-8.

    Raises `ValueError` for other JSON, for a repeated name (RFC 8725 section 2.6), for the numbers
    and texts that JSON lacks (NaN, half of a surrogate pair), and for nesting that is too deep.
    """
    text = data.decode()
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    if "\\u" in text:
        # Only an escape can be half of a pair. Encoding it raises a ValueError.
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _unique(members: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(members)
    if len(value) != len(members):
        raise ValueError("a name is repeated")
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def parse_uuid(text: str) -> bytes:
    """Returns the 16 bytes of a UUID in its usual form (RFC 9562 section 4), in any case.

    Raises `ValueError` for another text.
    """
    if _UUID.fullmatch(text) is None:
        raise ValueError("not a UUID")
    return bytes.fromhex(text.replace("-", ""))
