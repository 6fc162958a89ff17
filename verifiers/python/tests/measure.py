"""Measures the verifier. Prints JSON.

python tests/measure.py --times   time of a verification, also with PyJWT for comparison
python tests/measure.py           also memory and time of a million ended sessions
"""

from __future__ import annotations

import json
import sys
import timeit
import tracemalloc
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "src"))

import jwt

from auth_verifier import Verifier
from auth_verifier.clock import Clock
from auth_verifier.revocations import OutagePolicy, Revocations
from auth_verifier.sse import Ended, FeedParser
from auth_verifier.testing import TestIssuer

SESSIONS = 1_000_000


def best(call: str, names: dict[str, object], number: int) -> float:
    """Returns the shortest of five times for one call, in microseconds."""
    return min(timeit.repeat(call, globals=names, number=number, repeat=5)) / number * 1e6


def times() -> dict[str, float]:
    issuer = TestIssuer()
    verifier = Verifier(issuer.issuer, audience="api", jwks=issuer.jwks())
    verifier._revocations = issuer._revocations
    verifier._revocations._clock = Clock()
    verifier._revocations.record_current()
    uncached = Verifier(issuer.issuer, audience="api", jwks=issuer.jwks(), cached_tokens=0)
    token = issuer.token(scope="reports:read", roles=["editor"], preferred_username="ada")
    header = f"Bearer {token}"
    key = jwt.PyJWK(issuer.jwks()["keys"][0])

    # A new string each time, as from a request: its hash is not known yet.
    def with_pyjwt() -> None:
        jwt.decode(
            header[7:], key, algorithms=["EdDSA", "ES256", "RS256"], issuer=issuer.issuer,
            audience="api", leeway=10, options={"require": ["exp", "iat", "sub"]},
        )  # fmt: skip

    def again() -> None:
        verifier.verify(header[7:])

    def first() -> None:
        uncached.verify(header[7:])

    again()
    return {
        "pyjwt_us": best("f()", {"f": with_pyjwt}, 500),
        "first_us": best("f()", {"f": first}, 500),
        "again_us": best("f()", {"f": again}, 20_000),
    }


def memory() -> dict[str, float]:
    line = 'id: 1-0\nevent: revoked\ndata: {{"sid":"{}","until":{}}}\n\n'
    revocations = Revocations(OutagePolicy(None), Clock())
    parser = FeedParser()

    def receive() -> None:
        for page in range(SESSIONS // 1000):
            sids = (str(uuid.UUID(int=(page * 1000 + number) * 7919)) for number in range(1000))
            text = "".join(line.format(sid, 4_000_000_000 + page) for sid in sids)
            for event in parser.push(text.encode()):
                assert isinstance(event, Ended)
                revocations.record(event.session, event.until)

    seconds = timeit.timeit(receive, number=1)
    held = revocations.state().held
    tracemalloc.start()
    copy = Revocations(OutagePolicy(None), Clock())
    for session, until in revocations._ended.items():
        copy.record(bytes(bytearray(session)), until + 0)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return {"sessions": held, "seconds": seconds, "megabytes": used / 1e6}


if __name__ == "__main__":
    measured = times() if "--times" in sys.argv[1:] else {**times(), **memory()}
    measured["again_faster_than_pyjwt"] = measured["pyjwt_us"] / measured["again_us"]
    print(json.dumps({name: round(value, 2) for name, value in measured.items()}))
