"""The same work with a thousand, a hundred thousand and a million users and sessions; and with a million revocations."""

import base64
import hashlib
import hmac
import json
import statistics
import time
import uuid

from . import extras, machine, report
from .load import line
from .operations import LOGINS, MANY, Client
from .systems import Ours, Stores, call

SIZES = (1_000, 100_000, 1_000_000)
QUICK_SIZES = (200, 2_000)
BATCH = 100_000


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decoded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Minter:
    """Mints the refresh tokens of logins that did not take place, after one that did: a million real ones would take three
    hours."""

    def __init__(self, system, example):
        self.header, claims, _ = example.split(".")
        self.claims, secret = json.loads(decoded(claims)), (system.folder / "secret.key").read_text().strip()
        # RFC 5869, as auth-service/src/tokens/secret.rs derives it.
        extracted = hmac.digest(b"\0" * 32, secret.encode(), hashlib.sha256)
        self.key = hmac.digest(extracted, b"auth-service refresh tokens\x01", hashlib.sha256)

    def refresh_token(self, user, name, session):
        claims = self.claims | {"sub": user, "jti": session, "sid": session, "preferred_username": name}
        said = f"{self.header}.{encoded(json.dumps(claims, separators=(',', ':')).encode())}"
        return f"{said}.{encoded(hmac.digest(self.key, said.encode(), hashlib.sha256))}"


class Populated:
    """auth-service and resource-service, in stores of their own that hold `size` users, each with a session."""

    def __init__(self, folder, cost, size):
        folder.mkdir()
        folder.chmod(0o755)
        self.size, self.stores = size, Stores(folder)
        self.system = Ours(self.stores, folder / "ours", cost)
        self.client = Client(self.system, self.stores, folder)
        self.redis_bytes = {}

    def name(self, number):
        return f"person{number}"

    def populate(self, times, rounds):
        """Inserts the users and the sessions, and refreshes each session this often: for real, by its newest token. Then
        there are sessions for so many rounds of refreshes."""
        self.system.start()
        minter = Minter(self.system, self.client.first_tokens()["refresh"])
        self.stores.psql(f"""
            INSERT INTO users (id, username, username_key, email, email_key, password_hash, created_at)
            SELECT md5(n::text)::uuid::text, 'person' || n, 'person' || n, 'person' || n || '@example.com',
                   'person' || n || '@example.com', (SELECT password_hash FROM users WHERE username = '{self.client.last_name}'),
                   extract(epoch FROM now()) * 1000
            FROM generate_series(1, {self.size}) AS n;
            INSERT INTO sessions (id, user_id, created_at, expires_at)
            SELECT md5('session' || n)::uuid::text, md5(n::text)::uuid::text, extract(epoch FROM now()) * 1000,
                   (extract(epoch FROM now()) + 2592000) * 1000
            FROM generate_series(1, {self.size}) AS n;
            VACUUM ANALYZE;
            CHECKPOINT;""", "auth")
        as_uuid = lambda text: str(uuid.UUID(hashlib.md5(text.encode()).hexdigest()))  # noqa: E731
        empty = self.stores.redis_used_bytes()
        newest = []
        for number in range(1, self.size + 1):
            user, session = as_uuid(str(number)), as_uuid(f"session{number}")
            newest.append(minter.refresh_token(user, self.name(number), session))
        for time_ in range(1, times + 1):
            newest = self.refresh_each(newest)
            if time_ in (1, times):
                self.redis_bytes[time_] = (self.stores.redis_used_bytes() - empty) / self.size
        self.newest, self.at_once = newest, min(1000, len(newest) // rounds)

    def refresh_each(self, tokens):
        answered = []
        for first in range(0, len(tokens), BATCH):
            batch = tokens[first:first + BATCH]
            lines = [line("POST", "/token/refresh", body=f'{{"refresh":"{token}"}}') for token in batch]
            # Those under way when the last one is sent get no answer: these sessions go on without us.
            _, bodies = self.client.measure("refresh", lines, "once", MANY, len(lines) // 12_500 + 3, answers=True)
            answered += [body["refresh"] for body in bodies]
        return answered

    def refresh(self, seconds):
        # Each round takes sessions that no other does.
        tokens, self.newest = self.newest[: self.at_once], self.newest[self.at_once :]
        lines = [line("POST", "/token/refresh", body={"refresh": token}) for token in tokens]
        return self.client.measure("refresh", lines, "rotate", MANY, seconds)[0]

    def login(self, seconds):
        step = max(1, self.size // 5000)
        lines = [self.client.login_line(self.name(number)) for number in range(1, self.size + 1, step)]
        return self.client.measure("login", lines, "repeat", LOGINS, seconds)[0]


def curves(chosen, folder, say):
    sizes, times = (QUICK_SIZES, 2) if chosen.quick else (SIZES, 5)
    systems = []
    for size in sizes:
        say(f"{size:,} users and sessions: made, and refreshed")
        system = Populated(folder / str(size), chosen.cost, size)
        system.populate(times if size < 1_000_000 else 2, chosen.rounds)
        systems.append(system)
    found = {system.size: {"refresh": [], "login": []} for system in systems}
    # In turn, so that no size has the machine's good moments.
    for number in range(chosen.rounds):
        for operation in ("refresh", "login"):
            for system in systems:
                result = getattr(system, operation)(chosen.seconds)
                found[system.size][operation].append(result)
                say(f"round {number + 1}, {operation}, {system.size:,}: {report.number(result['per_second'])}/s")
    return {
        **machine.facts(chosen, systems[0].stores),
        "sizes": {system.size: {"redis_bytes_per_session": system.redis_bytes, **found[system.size]} for system in systems},
        "revocations": revocations(systems[0], chosen, sizes[-1], say),
    }


def revocations(populated, chosen, count, say):
    """What it is worth to a call that nobody, or a million, logged out lately; and what a start has to do then."""
    system, client, stores = populated.system, populated.client, populated.stores
    client.access = client.first_tokens()["access"]

    def protected():
        rounds = [client.protected(chosen.seconds) for _ in range(chosen.rounds)]
        return statistics.median(result["per_second"] for result in rounds)

    found = {"count": count, "protected_per_second": {0: protected()}}
    found["start_seconds"] = {0: extras.starts(system, 3)}
    say(f"{count:,} sessions end")
    stores.psql(f"""
        INSERT INTO sessions (id, created_at, expires_at, revoked_at, revoked_cause, blacklisted_at)
        SELECT gen_random_uuid(), now_ms, now_ms + 604800000, now_ms, 'logout', now_ms
        FROM (SELECT (extract(epoch FROM now()) * 1000)::bigint AS now_ms) AS now, generate_series(1, {count});
        VACUUM ANALYZE;""", "auth")
    stores.redis_cli("FLUSHALL")
    found["rebuild_seconds"] = list(system.restart())
    # Ready is one thing; following all revocations another.
    began = time.perf_counter()
    while json.loads(call(system.resource_port, "GET", "/readyz")[1]).get("revocations") != "ok":
        time.sleep(0.01)
    found["caught_up_seconds"] = time.perf_counter() - began
    found["start_seconds"][count] = extras.starts(system, 3)
    found["protected_per_second"][count] = protected()
    say(f"revocations: {found}")
    return found


def markdown(results):
    sizes = results["sizes"]
    middle = lambda rounds, figure: report.number(statistics.median(one[figure] for one in rounds))  # noqa: E731
    rows = []
    for size, found in sizes.items():
        by_refreshes = ", ".join(
            f"{report.number(bytes_)} after {times}" for times, bytes_ in found["redis_bytes_per_session"].items()
        )
        rows.append([
            f"{int(size):,}",
            middle(found["refresh"], "per_second"), middle(found["refresh"], "p99_ms"),
            middle(found["login"], "per_second"), middle(found["login"], "p99_ms"), by_refreshes,
        ])
    ended = results["revocations"]
    count = ended["count"]
    calls, starts = ended["protected_per_second"], ended["start_seconds"]
    of = lambda by_count, number: by_count.get(number, by_count.get(str(number)))  # noqa: E731
    pair = lambda seconds: " and ".join(report.number(one * 1000) for one in seconds)  # noqa: E731
    return "\n\n".join([
        report.heading(results),
        "### Users and sessions",
        report.table(
            ["users, each with a session", "refreshes per second", "p99, ms", "logins per second", "p99, ms",
             "Redis bytes per session, by its number of refreshes"], rows),
        "### Sessions that ended lately",
        report.table(["", "0", f"{count:,}"], [
            ["protected calls per second", report.number(of(calls, 0)), report.number(of(calls, count))],
            ["start of auth-service and of resource-service, ms", pair(of(starts, 0)), pair(of(starts, count))],
            ["the same when Redis is empty, ms", "", pair(ended["rebuild_seconds"])],
        ]),
    ]) + "\n"
