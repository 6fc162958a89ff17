"""The vectors of `verifiers/vectors`. Its `README.md` describes the format."""

from __future__ import annotations

import base64
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support import LIMIT, read_request, read_vectors

from auth_verifier import Feed, Verifier, VerifyError
from auth_verifier.testing import TestClock

TOKENS = read_vectors("tokens.json")
KEYS = read_vectors("keys.json")
FEED = read_vectors("feed.json")


def verifier(file: dict[str, Any], jwks: dict[str, Any], **arguments: Any) -> Verifier:
    return Verifier(
        file["issuer"],
        audience=file["audience"],
        leeway=file["leeway"],
        jwks=jwks,
        **{"clock": TestClock(file["now"]), **arguments},
    )


def verdict(verifier: Verifier, token: str) -> str:
    try:
        verifier.verify_with_known_keys(token)
    except VerifyError as error:
        return error.reason.value
    return "accepted"


def test_every_token_gets_its_verdict() -> None:
    by_all = verifier(TOKENS, TOKENS["keys"])
    wrong = []
    for vector in TOKENS["tokens"]:
        # Twice, because the cache must not change the verdict.
        verdicts = {verdict(by_all, vector["token"]) for _ in range(2)}
        if verdicts != {vector["verdict"]}:
            wrong.append((vector["name"], verdicts, vector["verdict"]))
        if "claims" in vector:
            assert dict(by_all.verify(vector["token"]).claims) == vector["claims"]
    assert not wrong
    assert len(TOKENS["tokens"]) > 500


def test_of_every_key_set_exactly_the_usable_keys_are_used() -> None:
    wrong = []
    for one in KEYS["sets"]:
        by_set = verifier(KEYS, one["jwks"])
        if by_set.key_ids != one["usable"]:
            wrong.append((one["name"], by_set.key_ids, one["usable"]))
        for vector in one["tokens"]:
            if verdict(by_set, vector["token"]) != vector["verdict"]:
                wrong.append((one["name"], verdict(by_set, vector["token"]), vector["verdict"]))
    assert not wrong
    assert len(KEYS["sets"]) > 100


class Play:
    """A transcript of the feed that is played."""

    def __init__(self, transcript: dict[str, Any]) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(LIMIT)
        self.connection: socket.socket | None = None
        self.clock = TestClock(FEED["now"])
        client = FEED["client"]
        url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/revocations"
        self.verifier = verifier(
            FEED,
            FEED["keys"],
            feed=Feed(client["id"], client["secret"], url),
            outage=transcript["outage"],
            clock=self.clock,
        )

    def take(self, step: dict[str, Any]) -> None:
        [(name, value)] = step.items()
        getattr(self, name)(value)

    def accept(self, expected: dict[str, Any]) -> None:
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(LIMIT)
        first, *lines = read_request(self.connection)
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        client = FEED["client"]
        credentials = base64.b64encode(f"{client['id']}:{client['secret']}".encode()).decode()
        assert first == "GET /revocations HTTP/1.1"
        assert headers["authorization"] == f"Basic {credentials}"
        assert headers.get("last-event-id") == expected["last_event_id"]

    def respond(self, answer: dict[str, Any]) -> None:
        head = "".join(f"{name}: {value}\r\n" for name, value in answer["headers"].items())
        self.send(f"HTTP/1.1 {answer['status']} X\r\n{head}\r\n")

    def send(self, text: str) -> None:
        assert self.connection is not None
        try:
            self.connection.sendall(text.encode())
        except OSError:
            pass  # the verifier has closed the connection

    def expect(self, state: dict[str, Any]) -> None:
        deadline = time.monotonic() + LIMIT
        while self.difference(state) and time.monotonic() < deadline:
            time.sleep(0.005)
        self.still(state)

    def still(self, state: dict[str, Any]) -> None:
        assert self.difference(state) == {}

    def difference(self, state: dict[str, Any]) -> dict[str, Any]:
        feed = self.verifier.feed_state
        assert feed is not None
        different: dict[str, Any] = {}
        if state.get("current", feed.is_current) is not feed.is_current:
            different["current"] = feed.is_current
        for name, expected in state.get("tokens", {}).items():
            is_now = verdict(self.verifier, FEED["tokens"][name])
            if is_now != expected:
                different[name] = is_now
        return different

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def close(self, by: str) -> None:
        assert self.connection is not None
        if by == "client":
            try:
                assert self.connection.recv(1) == b""
            except ConnectionResetError:
                pass
        self.connection.close()


def play(transcript: dict[str, Any]) -> None:
    played = Play(transcript)
    try:
        for number, step in enumerate(transcript["steps"]):
            try:
                played.take(step)
            except Exception as error:
                raise AssertionError(f"{transcript['name']}: step {number}, {step}") from error
    finally:
        played.verifier.close()
        played.listener.close()


def test_every_transcript_of_the_feed_is_followed() -> None:
    transcripts = FEED["transcripts"]
    assert len(transcripts) > 40
    # At the same time, because silence takes five seconds.
    with ThreadPoolExecutor(len(transcripts)) as pool:
        for played in [pool.submit(play, transcript) for transcript in transcripts]:
            played.result()


@pytest.mark.parametrize("text", ["", "open", "bounded", "bounded:", "bounded:-1", "bounded:x"])
def test_another_outage_policy_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be until_expiry"):
        verifier(TOKENS, TOKENS["keys"], outage=text)
