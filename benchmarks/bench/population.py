"""The services with a large number of users and sessions."""

import base64
import hashlib
import hmac
import json
import uuid

from .load import request_line
from .operations import CONNECTIONS, LOGIN_CONNECTIONS, Client
from .stores import Stores
from .systems import Ours

BATCH = 100_000

POPULATE_SQL = """
INSERT INTO users
    (id, username, username_key, email, email_key, password_hash, created_at)
SELECT md5(n::text)::uuid::text, 'person' || n, 'person' || n, 'person' || n || '@example.com',
       'person' || n || '@example.com',
       (SELECT password_hash FROM users WHERE username = '{example}'),
       extract(epoch FROM now()) * 1000
FROM generate_series(1, {size}) AS n;
INSERT INTO sessions (id, user_id, created_at, expires_at)
SELECT md5('session' || n)::uuid::text, md5(n::text)::uuid::text,
       extract(epoch FROM now()) * 1000, (extract(epoch FROM now()) + 2592000) * 1000
FROM generate_series(1, {size}) AS n;
VACUUM ANALYZE;
CHECKPOINT;
"""


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def md5_uuid(text):
    """Returns the UUID that PostgreSQL's `md5(text)::uuid` returns."""
    return str(uuid.UUID(hashlib.md5(text.encode()).hexdigest()))


class Minter:
    """Mints refresh tokens as a login would, because a million logins take three hours.

    The header and the other claims are copied from the refresh token of a real login.
    """

    def __init__(self, system, example):
        self.header, claims, _ = example.split(".")
        self.claims = json.loads(decode(claims))
        secret = (system.folder / "secret.key").read_text().strip()
        # HKDF (RFC 5869) with the parameters of auth-service.
        extracted = hmac.digest(b"\0" * 32, secret.encode(), hashlib.sha256)
        self.key = hmac.digest(extracted, b"auth-service refresh tokens\x01", hashlib.sha256)

    def refresh_token(self, user, name, session):
        own = {"sub": user, "jti": session, "sid": session, "preferred_username": name}
        claims = json.dumps(self.claims | own, separators=(",", ":"))
        signing_input = f"{self.header}.{encode(claims.encode())}"
        mac = hmac.digest(self.key, signing_input.encode(), hashlib.sha256)
        return f"{signing_input}.{encode(mac)}"


class Population:
    """The services on stores with `size` users, each with one session."""

    def __init__(self, folder, cost, size):
        folder.mkdir()
        folder.chmod(0o755)
        self.size = size
        self.stores = Stores(folder)
        self.system = Ours(self.stores, folder / "ours", cost)
        self.client = Client(self.system, self.stores, folder)
        # Bytes in Redis for each session, by the number of refreshes.
        self.redis_bytes = {}

    def populate(self, refreshes, rounds):
        """Inserts the users and their sessions, and refreshes each session through the API.

        Afterwards there are enough sessions for `rounds` measurements of `refresh`.
        """
        self.system.start()
        example, tokens = self.client.register_and_log_in()
        self.stores.psql(POPULATE_SQL.format(example=example, size=self.size), "auth")
        minter = Minter(self.system, tokens["refresh"])
        newest = []
        for number in range(1, self.size + 1):
            user = md5_uuid(str(number))
            session = md5_uuid(f"session{number}")
            newest.append(minter.refresh_token(user, self.user_name(number), session))
        used_before = self.stores.redis_used_bytes()
        for count in range(1, refreshes + 1):
            newest = self.refresh_all(newest)
            if count in (1, refreshes):
                used = self.stores.redis_used_bytes() - used_before
                self.redis_bytes[count] = used / self.size
        self.refresh_tokens = newest
        self.tokens_per_round = min(1000, len(newest) // rounds)

    def user_name(self, number):
        return f"person{number}"

    def refresh_all(self, tokens):
        """Refreshes each session once. Returns the new tokens.

        Requests that are under way when the last request is sent get no response. The sessions of
        these requests are left out from then on.
        """
        newest = []
        for first in range(0, len(tokens), BATCH):
            batch = tokens[first : first + BATCH]
            bodies = (f'{{"refresh":"{token}"}}' for token in batch)
            lines = [request_line("POST", "/token/refresh", body=body) for body in bodies]
            seconds = len(lines) // 12_500 + 3
            _, responses = self.client.measure(
                "refresh", lines, "once", CONNECTIONS, seconds, keep_bodies=True
            )
            newest += [response["refresh"] for response in responses]
        return newest

    def refresh(self, seconds):
        # A round uses sessions that no other round uses.
        tokens = self.refresh_tokens[: self.tokens_per_round]
        self.refresh_tokens = self.refresh_tokens[self.tokens_per_round :]
        lines = [self.client.refresh_line(token) for token in tokens]
        return self.client.measure("refresh", lines, "rotate", CONNECTIONS, seconds)[0]

    def login(self, seconds):
        step = max(1, self.size // 5000)
        numbers = range(1, self.size + 1, step)
        lines = [self.client.login_line(self.user_name(number)) for number in numbers]
        return self.client.measure("login", lines, "repeat", LOGIN_CONNECTIONS, seconds)[0]
