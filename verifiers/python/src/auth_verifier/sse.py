"""Parser of the feed's server-sent events (HTML Standard section 9.2), from chunks of bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .encoding import parse_object, parse_uuid
from .errors import FetchError

#: Maximum size of an event and of a line. An event of the feed has about 150 bytes.
MAX_EVENT_BYTES = 64 * 1024

#: The data as auth-service writes it. Parsing it as JSON takes several times longer, which counts
#: when a million sessions have ended.
_USUAL_DATA = re.compile(
    '\\{"sid":"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})","until":([1-9][0-9]{0,17})\\}'
)


@dataclass(frozen=True, slots=True)
class Ended:
    """A session has ended. Its last token expires at `until`, in seconds since the Unix epoch."""

    session: bytes
    until: int
    id: str | None


class CaughtUp:
    """All events before this connection have been received."""


class FeedParser:
    """Parses events from chunks of bytes. Lines end with LF or CRLF, as auth-service sends them."""

    def __init__(self) -> None:
        self._rest = b""
        self._id: str | None = None
        self._name = ""
        self._data: list[str] = []
        self._size = 0

    def push(self, chunk: bytes) -> Iterator[Ended | CaughtUp]:
        """Yields the events that a chunk completes. Skips comments and events with other names.

        Raises `FetchError` if an event cannot be parsed: an event that is skipped would be a
        session whose tokens are still accepted.
        """
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            event = self._add(line.removesuffix(b"\r").decode(errors="replace"))
            if event is not None:
                yield event
        if len(self._rest) > MAX_EVENT_BYTES:
            raise _too_large()

    def _add(self, line: str) -> Ended | CaughtUp | None:
        """Adds a line. Returns the event if the line completes it."""
        if not line:
            event = self._finish()
            self._id, self._name, self._data, self._size = None, "", [], 0
            return event
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "id":
            self._id = value
        elif field == "event":
            self._name = value
        elif field == "data":
            self._data.append(value)
            # With the line feed that joins the lines: empty lines must not add up without limit.
            self._size += len(value) + 1
        if self._size + len(self._name) + len(self._id or "") > MAX_EVENT_BYTES:
            raise _too_large()
        return None

    def _finish(self) -> Ended | CaughtUp | None:
        if self._name == "caught-up":
            return CaughtUp()
        if self._name != "revoked":
            return None
        data = "\n".join(self._data)
        if (usual := _USUAL_DATA.fullmatch(data)) is not None:
            return Ended(bytes.fromhex(usual[1].replace("-", "")), int(usual[2]), self._id)
        try:
            event = parse_object(data.encode())
            until = event["until"]
            if type(until) is not int or not isinstance(event["sid"], str):
                raise ValueError("a member has another type")
            return Ended(parse_uuid(event["sid"]), until, self._id)
        except (ValueError, KeyError) as error:
            details = 'an event with the name "revoked" cannot be parsed'
            raise FetchError("invalid response", details=details) from error


def _too_large() -> FetchError:
    details = f"an event is larger than {MAX_EVENT_BYTES} bytes"
    return FetchError("invalid response", details=details)
