"""The operations, in the order in which each needs what the ones before it have left."""

import base64
import itertools
import json
import sys
from collections import deque
from urllib.parse import urlencode

from . import load
from .load import FORM, line
from .systems import PASSWORD, call

MANY = 64
# As many logins as there may be at once, without one being told to come again.
LOGINS = 32


class Client:
    """Who uses one system: the users and the tokens that are there so far."""

    def __init__(self, system, stores, folder):
        self.system, self.stores, self.folder = system, stores, folder
        self.users, self.names = [], itertools.count()
        # Pairs that were not used yet, pairs of which the refresh token is used up, access tokens that nobody has shown yet.
        self.pairs, self.unseen = deque(), []
        self.access = None

    def check(self, operation, request, status, holds):
        """One request, looked at: a load of wrong answers would be measured just as well."""
        method, path, authorization, content_type, body = request.split("\t")
        answered, text = call(
            self.system.port(operation), method, path, body if content_type else None, authorization, content_type
        )
        if answered != status or not holds(text):
            sys.exit(f"{self.system.name}, {operation}: {answered} {text[:300]}")
        return text

    def measure(self, operation, *arguments, **options):
        return load.measure(self.system, self.stores, self.folder, operation, *arguments, **options)

    def keep(self, bodies):
        self.pairs += [body.get("tokens", body) for body in bodies]

    def first_tokens(self):
        """The tokens of a user who is new."""
        self.last_name = f"user{next(self.names)}"
        self.check("register", line("POST", "/register", body=self.system.registration(self.last_name)), 201, bool)
        body = json.loads(self.check("login", self.login_line(self.last_name), 200, bool))
        return body.get("tokens", body)

    # ------------------------------------------------------------------ one method an operation --

    def register(self, seconds):
        def registration():
            return line("POST", "/register", body=self.system.registration(f"user{next(self.names)}"))

        self.check("register", registration(), 201, lambda text: "user" in text)
        result, bodies = self.measure(
            "register", [registration() for _ in range(300 * seconds)], "once", 8, seconds, answers=True
        )
        self.users += [body["username"] for body in bodies]
        return result

    def login_line(self, name):
        return line("POST", "/login", body={"username": name, "password": PASSWORD})

    def log_in(self, operation, connections, seconds):
        lines = [self.login_line(name) for name in self.users]
        self.check(operation, lines[0], 200, lambda text: '"access"' in text and '"refresh"' in text)
        wrong = line("POST", "/login", body={"username": self.users[0], "password": "wrong"})
        self.check(operation, wrong, 401, lambda text: "access" not in text)
        result, bodies = self.measure(operation, lines, "repeat", connections, seconds, answers=True)
        self.keep(bodies)
        return result

    def login(self, seconds):
        return self.log_in("login", 1, seconds)

    def login_under_load(self, seconds):
        # Sessions are what the operations after this one need most.
        return self.log_in("login_under_load", LOGINS, 2 * seconds)

    def refresh(self, seconds):
        pairs = [self.pairs.popleft() for _ in range(min(len(self.pairs) // 2, 1000))]
        lines = [line("POST", "/token/refresh", body={"refresh": pair["refresh"]}) for pair in pairs]
        answered = json.loads(self.check("refresh", lines[0], 200, lambda text: '"refresh"' in text))
        lines[0] = line("POST", "/token/refresh", body={"refresh": answered["refresh"]})
        result, bodies = self.measure("refresh", lines, "rotate", MANY, seconds, answers=True)
        self.unseen = [body["access"] for body in bodies]
        return result

    def protected_line(self, access, path="/whoami"):
        return line("GET", path, f"Bearer {access}")

    def protected_same(self, seconds):
        self.access = self.unseen.pop()
        self.check("protected_same", line("GET", "/whoami"), 401, lambda text: "sub" not in text)
        self.check("protected_same", self.protected_line(self.access), 200, lambda text: '"sub"' in text)
        # The limit of a token that was seen before is the route that asks for none.
        return self.protected(seconds, "/open" if self.system.name == "limit" else "/whoami")

    def protected(self, seconds, path="/whoami"):
        return self.measure("protected_same", [self.protected_line(self.access, path)], "repeat", MANY, seconds)[0]

    def protected_new(self, seconds):
        lines = [self.protected_line(access) for access in self.unseen]
        result = self.measure("protected_new", lines, "once", MANY, seconds)[0]
        self.unseen = []
        return result

    def verify_line(self):
        return line("POST", "/token/verify", body={"token": self.access})

    def introspect_line(self):
        basic = "Basic " + base64.b64encode(":".join(self.system.client).encode()).decode()
        return line("POST", "/oauth/introspect", basic, urlencode({"token": self.access}), FORM)

    def jwks_line(self):
        return line("GET", "/.well-known/jwks.json")

    def plaintext_line(self):
        return line("GET", "/healthz")

    def verify(self, seconds):
        request = self.verify_line()
        self.check("verify", request, 200, lambda text: text == "{}")
        self.check("verify", line("POST", "/token/verify", body={"token": self.access[:-2]}), 401, bool)
        return self.measure("verify", [request], "repeat", MANY, seconds)[0]

    def introspect(self, seconds):
        if not self.system.client:
            return None
        request = self.introspect_line()
        self.check("introspect", request, 200, lambda text: '"active":true' in text)
        return self.measure("introspect", [request], "repeat", MANY, seconds)[0]

    def jwks(self, seconds):
        if not self.system.client:
            return None
        request = self.jwks_line()
        self.check("jwks", request, 200, lambda text: "OKP" in text)
        return self.measure("jwks", [request], "repeat", MANY, seconds)[0]

    def plaintext(self, seconds):
        return self.measure("plaintext", [self.plaintext_line()], "repeat", MANY, seconds)[0]

    def logout(self, seconds):
        lines = [
            line("POST", "/logout", f"Bearer {pair['access']}", {"refresh": pair["refresh"]}) for pair in self.pairs
        ]
        self.pairs.clear()
        first = lines.pop()
        self.check("logout", first, 204, lambda text: not text)
        refreshed = line("POST", "/token/refresh", body=json.loads(first.rsplit("\t", 1)[1]))
        self.check("logout", refreshed, 401, bool)
        return self.measure("logout", lines, "once", MANY, seconds)[0]


# What is measured, and what it is called.
OPERATIONS = {
    "register": "register",
    "login": "login, one at a time",
    "login_under_load": f"login, {LOGINS} at a time",
    "refresh": "refresh with rotation",
    "protected_same": "protected call, token seen before",
    "protected_new": "protected call, every token new",
    "verify": "token/verify",
    "introspect": "introspect",
    "jwks": "JWKS",
    "plaintext": "healthz",
    "logout": "logout",
}
