"""The verifier with an issuer over HTTP: new keys, unknown keys, faulty answers, outages."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support import HttpServer, IssuerServer, wait_until

from auth_verifier import FetchError, NotReady, Refusal, Verifier, VerifyError
from auth_verifier.http import get
from auth_verifier.testing import TestClock, TestIssuer, _encode

DAY = 24 * 3600


@pytest.fixture
def issuer() -> Iterator[IssuerServer]:
    server = IssuerServer()
    yield server
    server.close()


def verifier(issuer: IssuerServer, **arguments: Any) -> Verifier:
    return Verifier(issuer.url, audience="api", **{"min_fetch_interval": 3600, **arguments})


def reason(verifier: Verifier, token: str) -> Refusal | None:
    try:
        verifier.verify(token)
    except VerifyError as error:
        return error.reason
    return None


def test_the_keys_are_fetched_once(issuer: IssuerServer) -> None:
    verify = verifier(issuer).verify
    for _ in range(100):
        assert verify(issuer.tokens.token(sub="ada")).sub == "ada"
    assert issuer.count("/keys") == 1


def test_a_new_key_is_fetched_when_a_token_names_it(issuer: IssuerServer) -> None:
    by_issuer = verifier(issuer)
    by_issuer.ready()
    [old] = issuer.tokens.jwks()["keys"]
    issuer.publish({"keys": [{**old, "kid": "new"}, old]})
    # The minimum interval does not count from the fetch at the start.
    by_issuer.verify(issuer.tokens.token(kid="new"))
    by_issuer.verify(issuer.tokens.token())
    assert issuer.count("/keys") == 2


def test_ten_thousand_unknown_key_ids_cause_one_fetch(issuer: IssuerServer) -> None:
    by_issuer = verifier(issuer)
    by_issuer.ready()
    valid = issuer.tokens.token()
    _, claims, signature = valid.split(".")
    for number in range(10_000):
        made_up = issuer.tokens.token(kid=f"made-up-{number}") if number < 50 else None
        token = made_up or f"{_header(number)}.{claims}.{signature}"
        assert reason(by_issuer, token) is Refusal.UNKNOWN_KEY
    by_issuer.verify(valid)
    assert issuer.count("/keys") == 2, "one at the start, and one for all unknown key ids"


def _header(number: int) -> str:
    return _encode(f'{{"alg":"EdDSA","typ":"at+jwt","kid":"made-up-{number}"}}'.encode())


def test_concurrent_unknown_key_ids_share_a_fetch_and_do_not_block_known_ones(
    issuer: IssuerServer,
) -> None:
    by_issuer = verifier(issuer)
    by_issuer.ready()
    answered = threading.Event()
    issuer.before_answer = lambda path: answered.wait(10) and None
    [old] = issuer.tokens.jwks()["keys"]
    issuer.publish({"keys": [{**old, "kid": "new"}, old]})
    new = issuer.tokens.token(kid="new")
    with ThreadPoolExecutor(20) as pool:
        waiting = [pool.submit(by_issuer.verify, new) for _ in range(20)]
        wait_until("the fetch", lambda: issuer.count("/keys") == 2)
        by_issuer.verify(issuer.tokens.token())
        answered.set()
        for one in waiting:
            one.result()
    assert issuer.count("/keys") == 2


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, ""),
        (401, ""),
        (503, ""),
        (302, ""),
        (200, "<!doctype html><title>Welcome</title>"),
        (200, "nonsense"),
        (200, "[" * 100_000),
        (200, '{"keys": []}'),
        (200, '{"keys": [], "x": "' + "x" * 300_000 + '"}'),
    ],
)
def test_the_keys_stay_in_use_after_a_failed_fetch(
    issuer: IssuerServer, status: int, body: str
) -> None:
    by_issuer = verifier(issuer, min_fetch_interval=0)
    by_issuer.ready()
    issuer.answers["/keys"] = (status, {"Location": "/elsewhere"}, body)
    assert reason(by_issuer, issuer.tokens.token(kid="unknown")) is Refusal.UNKNOWN_KEY
    by_issuer.verify(issuer.tokens.token())
    assert issuer.count("/keys") == 2 and issuer.count("/elsewhere") == 0
    assert by_issuer.keys_error is None


def test_keys_are_used_while_the_issuer_is_away_for_ten_minutes_and_not_for_two_days(
    issuer: IssuerServer,
) -> None:
    clock = TestClock()
    issuer.tokens.clock = clock
    by_issuer = verifier(issuer, clock=clock, min_fetch_interval=0)
    by_issuer.ready()
    issuer.answers["/keys"] = (503, {}, "")
    clock.advance(600)
    by_issuer.verify(issuer.tokens.token())
    clock.advance(DAY - 601)
    cached = issuer.tokens.token()
    by_issuer.verify(cached)
    for seconds in (1, DAY):
        clock.advance(seconds)
        assert reason(by_issuer, cached) is Refusal.KEYS_UNAVAILABLE
        assert reason(by_issuer, issuer.tokens.token()) is Refusal.KEYS_UNAVAILABLE
    assert not by_issuer.is_ready
    assert str(by_issuer.keys_error) == "unexpected status 503"
    issuer.publish(issuer.tokens.jwks())
    by_issuer.verify(issuer.tokens.token())
    assert by_issuer.is_ready


def test_a_token_is_answered_with_503_until_the_keys_are_fetched(issuer: IssuerServer) -> None:
    issuer.answers["/keys"] = (503, {}, "")
    by_issuer = verifier(issuer, min_fetch_interval=0)
    assert reason(by_issuer, issuer.tokens.token()) is Refusal.KEYS_UNAVAILABLE
    issuer.publish(issuer.tokens.jwks())
    by_issuer.verify(issuer.tokens.token())


def test_a_clock_that_is_ten_seconds_off_makes_no_difference(issuer: IssuerServer) -> None:
    for ahead, refused in ((9.5, None), (-9.5, None), (12, Refusal.EXPIRED)):
        clock = TestClock()
        clock.advance(ahead)
        by_issuer = verifier(issuer, clock=clock)
        assert reason(by_issuer, issuer.tokens.token(lifetime=1)) is refused
    clock = TestClock()
    clock.advance(-12)
    assert reason(verifier(issuer, clock=clock), issuer.tokens.token()) is Refusal.NOT_YET_VALID


def test_a_cached_token_is_refused_after_it_expires_or_its_key_is_withdrawn(
    issuer: IssuerServer,
) -> None:
    clock = TestClock()
    by_issuer = verifier(issuer, clock=clock, min_fetch_interval=0)
    token, withdrawn = issuer.tokens.token(), issuer.tokens.token(kid="old")
    [key] = issuer.tokens.jwks()["keys"]
    issuer.publish({"keys": [key, {**key, "kid": "old"}]})
    for _ in range(2):
        by_issuer.verify(token)
        by_issuer.verify(withdrawn)
    issuer.publish({"keys": [key]})
    assert reason(by_issuer, issuer.tokens.token(kid="x")) is Refusal.UNKNOWN_KEY
    by_issuer.verify(token)
    assert reason(by_issuer, withdrawn) is Refusal.UNKNOWN_KEY
    clock.advance(311)
    assert reason(by_issuer, token) is Refusal.EXPIRED


@pytest.mark.parametrize(
    ("path", "tenant"),
    [
        ("/.well-known/openid-configuration", ""),
        ("/.well-known/oauth-authorization-server/tenant", "/tenant"),
        ("/tenant/.well-known/openid-configuration", "/tenant/"),
    ],
)
def test_metadata_of_an_issuer_with_a_path_or_of_openid_connect_is_found(
    issuer: IssuerServer, path: str, tenant: str
) -> None:
    del issuer.answers["/.well-known/oauth-authorization-server"]
    issuer.describe(path, issuer.url + tenant)
    by_issuer = Verifier(issuer.url + tenant, audience="api")
    by_issuer.verify(issuer.tokens.token(iss=issuer.url + tenant))


def test_metadata_of_another_issuer_is_named_at_the_start(issuer: IssuerServer) -> None:
    issuer.describe("/.well-known/oauth-authorization-server", "http://other.example")
    by_issuer = verifier(issuer)
    with pytest.raises(NotReady) as why:
        by_issuer.ready()
    assert str(why.value) == (
        f"cannot fetch the keys of {issuer.url}: the metadata belongs to another issuer, "
        "http://other.example: build the verifier with this URL"
    )
    assert issuer.count("/keys") == 0
    assert reason(by_issuer, issuer.tokens.token()) is Refusal.KEYS_UNAVAILABLE


def test_a_verifier_without_an_audience_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="no audience"):
        Verifier("http://issuer.test", audience=[], jwks=TestIssuer().jwks())


def test_an_issuer_that_sends_a_byte_a_second_is_left() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def drip() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            try:
                while True:
                    connection.sendall(b" ")
                    time.sleep(0.1)
            except OSError:
                pass

    threading.Thread(target=drip, daemon=True).start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys"
    try:
        body = get(url, None, timeout=0.5, max_bytes=1000)
    except FetchError:
        return
    finally:
        listener.close()
    assert body is not None and len(body[0]) < 20, "an aborted answer ends like a complete one"


def test_a_thousand_concurrent_requests_while_keys_rotate(issuer: IssuerServer) -> None:
    by_issuer = verifier(issuer, min_fetch_interval=0)
    [key] = issuer.tokens.jwks()["keys"]

    async def rotate() -> None:
        for number in range(10):
            issuer.publish({"keys": [{**key, "kid": f"{n}"} for n in range(number + 2)]})
            tokens = [issuer.tokens.token(kid=f"{n % (number + 1)}") for n in range(100)]
            verified = await asyncio.gather(*map(by_issuer.verify_async, tokens))
            assert len(verified) == 100

    asyncio.run(rotate())
    issuer.publish({"keys": [{**key, "kid": f"{n}"} for n in range(20)]})
    tokens = [issuer.tokens.token(kid=f"{n % 20}") for n in range(1000)]
    with ThreadPoolExecutor(100) as pool:
        assert len(list(pool.map(by_issuer.verify, tokens))) == 1000


def test_a_cancelled_request_does_not_cancel_the_fetch_of_others(issuer: IssuerServer) -> None:
    by_issuer = verifier(issuer)
    by_issuer.ready()
    answered = threading.Event()
    issuer.before_answer = lambda path: answered.wait(10) and None
    [key] = issuer.tokens.jwks()["keys"]
    issuer.publish({"keys": [key, {**key, "kid": "new"}]})

    async def both() -> None:
        new = issuer.tokens.token(kid="new", sub="ada")
        cancelled = asyncio.create_task(by_issuer.verify_async(new))
        other = asyncio.create_task(by_issuer.verify_async(new))
        await asyncio.sleep(0.01)
        cancelled.cancel()
        answered.set()
        assert (await other).sub == "ada"

    asyncio.run(both())


def test_the_proxy_of_the_environment_is_used_for_other_hosts_only(
    issuer: IssuerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = HttpServer()
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    keys = "http://issuer.example/keys"
    proxy.answers[keys] = (200, {}, json.dumps(issuer.tokens.jwks()))
    by_proxy = Verifier("http://issuer.example", audience="api", jwks_url=keys)
    by_proxy.verify(issuer.tokens.token(iss="http://issuer.example"))
    verifier(issuer).verify(issuer.tokens.token())
    assert [lines[0] for lines in proxy.requests] == [f"GET {keys} HTTP/1.1"]
    by_proxy.close()
    proxy.close()


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://issuer.test/keys", "keys", ""])
def test_keys_are_fetched_by_http_only(url: str) -> None:
    with pytest.raises(FetchError, match="invalid response"):
        get(url, None, timeout=1, max_bytes=1000)
