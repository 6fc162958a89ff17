"""`feed.json`: what the server of a revocation feed does, and what the verifier knows then."""

from collections.abc import Iterator

from .signing import ED25519, JWKS, NOW, Json, settings, valid_claims

SIDS = {
    "a": "01a20970-f552-7000-8000-00000000000a",
    "b": "01a20970-f552-7000-8000-00000000000b",
    "c": "01a20970-f552-7000-8000-00000000000c",
}
UNTIL = NOW + 1_000_000
CAUGHT_UP = "event: caught-up\ndata: {}\n\n"
COMMENT = ":\n\n"
EVENTS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}

Step = Json


def document() -> Json:
    """Returns the content of `feed.json`."""
    claims = {name: valid_claims(sid=sid, jti=sid, exp=UNTIL) for name, sid in SIDS.items()}
    tokens = {name: ED25519.token(claims=of) for name, of in claims.items()}
    transcripts = [*_following(), *_resume(), *_garbage(), *_answers(), *_silence(), *_policies()]
    return {
        **settings(),
        "keys": JWKS,
        "tokens": tokens,
        "client": {"id": "reports-api", "secret": "very-secret"},
        "transcripts": [
            {"name": name, "outage": outage, "steps": steps} for name, outage, steps in transcripts
        ],
    }


def revoked(name: str, id: str | None, end: str = "\n") -> str:
    """Returns the event that ends a session."""
    data = f'{{"sid":"{SIDS[name]}","until":{UNTIL}}}'
    lines = [*([f"id: {id}"] if id else []), "event: revoked", f"data: {data}", "", ""]
    return end.join(lines)


def accept(last_event_id: str | None = None, status: int = 200, **headers: str) -> list[Step]:
    """Accepts a connection, and answers with this status."""
    kind = EVENTS if status == 200 else {"Content-Type": "application/problem+json"}
    answer = {"status": status, "headers": {**kind, **headers, "Connection": "close"}}
    return [{"accept": {"last_event_id": last_event_id}}, {"respond": answer}]


def send(*texts: str) -> list[Step]:
    return [{"send": text} for text in texts]


def expect(current: bool | None = None, *, at_once: bool = False, **tokens: str) -> Step:
    """Expects a state of the verifier, and a verdict for each of these tokens."""
    state: Json = {} if current is None else {"current": current}
    if tokens:
        state["tokens"] = tokens
    return {"still" if at_once else "expect": state}


def all_are(verdict: str, **others: str) -> dict[str, str]:
    return {name: others.get(name, verdict) for name in SIDS}


UNKNOWN = "revocations_unavailable"
BY_SERVER: Step = {"close": "server"}
BY_CLIENT: Step = {"close": "client"}
GOOD = [*accept(), *send(CAUGHT_UP), expect(True, **all_are("accepted"))]

Transcript = tuple[str, str, list[Step]]


def _following() -> Iterator[Transcript]:
    yield "past and new ends", "closed", [
        *accept(),
        *send(revoked("a", "1-0")),
        expect(False, **all_are(UNKNOWN, a="revoked")),
        *send(CAUGHT_UP),
        expect(True, **all_are("accepted", a="revoked")),
        *send(COMMENT, revoked("b", "2-0")),
        expect(True, **all_are("accepted", a="revoked", b="revoked")),
    ]  # fmt: skip
    crlf = revoked("a", "1-0", "\r\n")
    yield (
        "lines end with CR and LF",
        "closed",
        [
            *accept(),
            *send(crlf + CAUGHT_UP.replace("\n", "\r\n")),
            expect(True, **all_are("accepted", a="revoked")),
        ],
    )
    text = revoked("a", "1-0") + COMMENT + revoked("b", "2-0", "\r\n") + CAUGHT_UP
    yield "a character at a time", "closed", [
        *accept(), *send(*text), expect(True, **all_are("accepted", a="revoked", b="revoked"))
    ]  # fmt: skip
    yield "all in one piece", "closed", [
        *accept(), *send(text), expect(True, **all_are("accepted", a="revoked", b="revoked"))
    ]  # fmt: skip
    lines = f'event:revoked\ndata:{{"sid":"{SIDS["a"]}",\ndata:"until":{UNTIL}}}\nid:1-0\n\n'
    yield "data of two lines, no space after the colon, id last", "closed", [
        *accept(), *send(lines + CAUGHT_UP), expect(True, **all_are("accepted", a="revoked")),
        BY_SERVER, *accept("1-0"), *send(CAUGHT_UP), expect(True),
    ]  # fmt: skip
    later = "id: 9-0\nevent: later-version\ndata: nonsense\n\nretry: 10\nunknown: x\n\n"
    more = revoked("a", "1-0").replace('"until"', '"later":[1],"until"')
    yield "events, fields and members of a later version", "closed", [
        *accept(), *send(later + more + CAUGHT_UP), expect(True, **all_are("accepted", a="revoked"))
    ]  # fmt: skip
    upper = revoked("a", "1-0").replace(SIDS["a"], SIDS["a"].upper())
    yield "a session id in upper case", "closed", [
        *accept(), *send(upper + CAUGHT_UP), expect(True, **all_are("accepted", a="revoked"))
    ]  # fmt: skip
    yield "an event that is not complete has no effect", "closed", [
        *accept(), *send(CAUGHT_UP, revoked("a", "1-0")[:-1]),
        expect(True, **all_are("accepted")),
        *send("\n"), expect(True, a="revoked"),
    ]  # fmt: skip


def _resume() -> Iterator[Transcript]:
    yield "resume: the missed ends arrive", "closed", [
        *accept(), *send(revoked("a", "1-0"), CAUGHT_UP), expect(True, a="revoked", b="accepted"),
        BY_SERVER,
        expect(False, **all_are(UNKNOWN, a="revoked")),
        *accept("1-0"),
        *send(revoked("b", "2-0")),
        expect(False, **all_are(UNKNOWN, a="revoked", b="revoked")),
        *send(CAUGHT_UP),
        expect(True, **all_are("accepted", a="revoked", b="revoked")),
        BY_SERVER,
        *accept("2-0"),
    ]  # fmt: skip
    yield "resume: the connection breaks before the verifier has caught up", "closed", [
        *accept(), *send(revoked("a", "1-0")), expect(False, a="revoked"), BY_SERVER,
        *accept("1-0"), *send(CAUGHT_UP), expect(True, **all_are("accepted", a="revoked")),
    ]  # fmt: skip
    yield "gap: the server begins again, and repeats what the verifier knows", "closed", [
        *accept(), *send(revoked("a", "5-0"), CAUGHT_UP), expect(True, a="revoked"), BY_SERVER,
        *accept("5-0"), *send(revoked("b", "1-0") + revoked("a", "2-0") + CAUGHT_UP),
        expect(True, **all_are("accepted", a="revoked", b="revoked")), BY_SERVER,
        *accept("2-0"),
    ]  # fmt: skip
    yield "gap: the server has lost what the verifier knows", "closed", [
        *accept(), *send(revoked("a", "5-0"), CAUGHT_UP), expect(True, a="revoked"), BY_SERVER,
        *accept("5-0"), *send(CAUGHT_UP), expect(True, **all_are("accepted", a="revoked")),
    ]  # fmt: skip
    yield "an event without an id keeps the last one", "closed", [
        *accept(), *send(revoked("a", "1-0") + revoked("b", None) + CAUGHT_UP),
        expect(True, **all_are("accepted", a="revoked", b="revoked")), BY_SERVER,
        *accept("1-0"),
    ]  # fmt: skip
    yield "an event cut in the middle arrives again", "closed", [
        *accept(), *send(CAUGHT_UP, revoked("a", "1-0")[:40]), expect(True, a="accepted"),
        BY_SERVER, expect(False),
        *accept(), *send(revoked("a", "1-0") + CAUGHT_UP), expect(True, a="revoked", b="accepted"),
    ]  # fmt: skip


def _garbage() -> Iterator[Transcript]:
    sid = SIDS["b"]
    for name, event in (
        ("no data", "event: revoked\n\n"),
        ("no JSON", "event: revoked\ndata: nonsense\n\n"),
        ("an empty object", "event: revoked\ndata: {}\n\n"),
        ("no until", f'event: revoked\ndata: {{"sid":"{sid}"}}\n\n'),
        ("no sid", f'event: revoked\ndata: {{"until":{UNTIL}}}\n\n'),
        ("until is a string", f'event: revoked\ndata: {{"sid":"{sid}","until":"{UNTIL}"}}\n\n'),
        ("until is no integer", f'event: revoked\ndata: {{"sid":"{sid}","until":7.5}}\n\n'),
        ("sid is no UUID", f'event: revoked\ndata: {{"sid":"other","until":{UNTIL}}}\n\n'),
        ("sid is null", f'event: revoked\ndata: {{"sid":null,"until":{UNTIL}}}\n\n'),
        ("a line of 66000 bytes without end", "x" * 66_000),
        ("an event of 66000 bytes without end", ("data: " + "x" * 993 + "\n") * 66),
    ):
        # The event can name a session whose tokens are still accepted, so it cannot be skipped.
        yield (
            f"garbage: {name}",
            "closed",
            [
                *GOOD,
                *send(revoked("a", "1-0"), event),
                BY_CLIENT,
                expect(False, **all_are(UNKNOWN, a="revoked")),
                *accept("1-0"),
                *send(revoked("b", "2-0") + CAUGHT_UP),
                expect(True, **all_are("accepted", a="revoked", b="revoked")),
            ],
        )


def _answers() -> Iterator[Transcript]:
    for status, headers in (
        (401, {"WWW-Authenticate": "Basic"}),
        (403, {}),
        (404, {}),
        (503, {"Retry-After": "1"}),
        (204, {}),
        (302, {"Location": "/revocations"}),
        (307, {"Location": "/elsewhere"}),
    ):
        yield f"status {status}", "closed", [
            *accept(status=status, **headers), BY_CLIENT, expect(False, **all_are(UNKNOWN)),
            *accept(status=status, **headers), BY_CLIENT,
            *GOOD,
        ]  # fmt: skip
    page = "<!doctype html><title>Welcome</title><p>event: caught-up</p>\n\n"
    yield "a page of HTML", "closed", [
        *accept(**{"Content-Type": "text/html"}), *send(page),
        expect(False, at_once=True, **all_are(UNKNOWN)), BY_SERVER, *GOOD,
    ]  # fmt: skip
    yield "the end of the feed at once", "closed", [
        *accept(), BY_SERVER, expect(False, **all_are(UNKNOWN)), *GOOD
    ]  # fmt: skip


def _silence() -> Iterator[Transcript]:
    yield "silence after the verifier has caught up", "closed", [
        *accept(), *send(revoked("a", "1-0") + CAUGHT_UP), expect(True, b="accepted"),
        BY_CLIENT, expect(False, **all_are(UNKNOWN, a="revoked")),
        *accept("1-0"), *send(CAUGHT_UP), expect(True, **all_are("accepted", a="revoked")),
    ]  # fmt: skip
    yield "silence before the verifier has caught up", "closed", [
        *accept(), BY_CLIENT, expect(False, **all_are(UNKNOWN)), *GOOD
    ]  # fmt: skip


def _policies() -> Iterator[Transcript]:
    for outage in ("until_expiry", "bounded:3600", "closed"):
        yield f"start: {outage} waits for the past", outage, [
            *accept(), *send(revoked("a", "1-0")),
            expect(False, **all_are(UNKNOWN, a="revoked")),
            *send(CAUGHT_UP), expect(True, **all_are("accepted", a="revoked")),
        ]  # fmt: skip
    for outage, verdict in (
        ("until_expiry", "accepted"), ("bounded:3600", UNKNOWN), ("closed", UNKNOWN)
    ):  # fmt: skip
        yield f"start: {outage} after 10 seconds without the past", outage, [
            *accept(status=503), BY_CLIENT, expect(False, **all_are(UNKNOWN)),
            {"advance": 10}, expect(False, at_once=True, **all_are(verdict)),
        ]  # fmt: skip
    for outage, before, after in (
        ("until_expiry", "accepted", "accepted"),
        ("bounded:30", "accepted", UNKNOWN),
        ("bounded:0", UNKNOWN, UNKNOWN),
        ("closed", UNKNOWN, UNKNOWN),
    ):
        yield f"outage: {outage}", outage, [
            *accept(), *send(revoked("a", "1-0") + CAUGHT_UP), expect(True, b="accepted"),
            BY_SERVER, expect(False, **all_are(before, a="revoked")),
            {"advance": 20}, expect(False, at_once=True, **all_are(before, a="revoked")),
            {"advance": 10}, expect(False, at_once=True, **all_are(after, a="revoked")),
            *accept("1-0"), *send(CAUGHT_UP), expect(True, **all_are("accepted", a="revoked")),
        ]  # fmt: skip
    yield "outage: the time counts from the last event, not from the close", "bounded:30", [
        *GOOD, {"advance": 29}, expect(True, at_once=True, b="accepted"),
        BY_SERVER, expect(False), {"advance": 1}, expect(False, at_once=True, **all_are(UNKNOWN)),
    ]  # fmt: skip
