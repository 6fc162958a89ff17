"""The operations that are measured, one method each.

They run in the order of `OPERATIONS`, because each uses what the operations before it left: logins
use registered users, refreshes use the tokens of logins, and so on.
"""

import base64
import itertools
import json
import sys
from collections import deque
from urllib.parse import urlencode

from . import load
from .load import FORM, request_line
from .processes import call_with_headers
from .systems import PASSWORD

CONNECTIONS = 64
# The services refuse more simultaneous logins: their hash queue is full.
LOGIN_CONNECTIONS = 32


class Client:
    """The client of one system, with the users and the tokens that it has obtained so far."""

    def __init__(self, system, stores, folder):
        self.system = system
        self.stores = stores
        self.folder = folder
        self.users = []
        self.user_numbers = itertools.count()
        # Token pairs that are still unused.
        self.pairs = deque()
        # Access tokens that no server has seen yet.
        self.new_access_tokens = []
        # The access token of the operations that present one token again and again.
        self.access = None

    def check(self, operation, request, status, is_expected):
        """Sends one request and ends the run unless the response is as expected.

        Without this check a load of wrong responses would be measured like any other.
        """
        method, path, authorization, cookie, content_type, body = request.split("\t")
        port = self.system.port(operation)
        headers = {"Content-Type": content_type} if content_type else {}
        if authorization:
            headers["Authorization"] = authorization
        if cookie:
            headers |= {"Cookie": cookie, "Origin": f"http://127.0.0.1:{port}"}
        body = body if content_type else None
        actual, text, _ = call_with_headers(port, method, path, body, headers)
        if actual != status or not is_expected(text):
            sys.exit(f"{self.system.name}, {operation}: {actual} {text[:300]}")
        return text

    def measure(self, operation, *arguments, **options):
        return load.measure(
            self.system, self.stores, self.folder, operation, *arguments, **options
        )

    def register_and_log_in(self):
        """Registers a new user. Returns the user's name and the tokens of a login."""
        name = self.next_name()
        self.check("register", self.registration_line(name), 201, bool)
        body = json.loads(self.check("login", self.login_line(name), 200, bool))
        return name, tokens_of(body)

    def next_name(self):
        return f"user{next(self.user_numbers)}"

    # ---------------------------------------------------------------- requests --

    def registration_line(self, name):
        return request_line("POST", "/register", body=self.system.registration(name))

    def login_line(self, name, password=PASSWORD):
        return request_line("POST", "/login", body={"username": name, "password": password})

    def refresh_line(self, refresh_token):
        return request_line("POST", "/token/refresh", body={"refresh": refresh_token})

    def refresh_cookie_line(self, cookie):
        return request_line("POST", self.system.cookie_refresh_path, cookie=cookie)

    def log_in_with_cookie(self, name):
        """Logs a user in. Returns the header with the cookie of the session."""
        port = self.system.port("login")
        body = json.dumps({"username": name, "password": PASSWORD, "cookie": True})
        headers = {"Content-Type": "application/json", "Origin": f"http://127.0.0.1:{port}"}
        status, text, answer = call_with_headers(port, "POST", "/login", body, headers)
        cookie = answer.get_all("Set-Cookie", [""])[0].split(";")[0]
        if status != 200 or not cookie:
            sys.exit(f"{self.system.name}, login with a cookie: {status} {text[:300]}")
        return cookie

    def logout_line(self, pair):
        body = {"refresh": pair["refresh"]}
        return request_line("POST", "/logout", f"Bearer {pair['access']}", body)

    def protected_line(self, access, path="/whoami"):
        return request_line("GET", path, f"Bearer {access}")

    def verify_line(self, access=None):
        return request_line("POST", "/token/verify", body={"token": access or self.access})

    def introspect_line(self):
        credentials = ":".join(self.system.client).encode()
        basic = f"Basic {base64.b64encode(credentials).decode()}"
        body = urlencode({"token": self.access})
        return request_line("POST", "/oauth/introspect", basic, body, FORM)

    def jwks_line(self):
        return request_line("GET", "/.well-known/jwks.json")

    def healthz_line(self):
        return request_line("GET", "/healthz")

    # -------------------------------------------------------------- operations --

    def register(self, seconds):
        name = self.next_name()
        self.check("register", self.registration_line(name), 201, lambda text: "user" in text)
        lines = [self.registration_line(self.next_name()) for _ in range(300 * seconds)]
        result, bodies = self.measure("register", lines, "once", 8, seconds, keep_bodies=True)
        self.users += [body["username"] for body in bodies]
        return result

    def login(self, seconds):
        return self.measure_logins("login", 1, seconds)

    def login_under_load(self, seconds):
        # Takes twice the time, because the operations after it need many sessions.
        return self.measure_logins("login_under_load", LOGIN_CONNECTIONS, 2 * seconds)

    def measure_logins(self, operation, connections, seconds):
        lines = [self.login_line(name) for name in self.users]
        self.check(operation, lines[0], 200, has_token_pair)
        wrong = self.login_line(self.users[0], "wrong")
        self.check(operation, wrong, 401, lambda text: "access" not in text)
        result, bodies = self.measure(
            operation, lines, "repeat", connections, seconds, keep_bodies=True
        )
        self.pairs += [tokens_of(body) for body in bodies]
        return result

    def refresh(self, seconds):
        pairs = [self.pairs.popleft() for _ in range(min(len(self.pairs) // 2, 1000))]
        lines = [self.refresh_line(pair["refresh"]) for pair in pairs]
        body = self.check("refresh", lines[0], 200, lambda text: '"refresh"' in text)
        lines[0] = self.refresh_line(json.loads(body)["refresh"])
        result, bodies = self.measure(
            "refresh", lines, "rotate", CONNECTIONS, seconds, keep_bodies=True
        )
        self.new_access_tokens = [body["access"] for body in bodies]
        return result

    def refresh_cookie(self, seconds):
        if not self.system.cookie_refresh_path:
            return None
        line = self.refresh_cookie_line(self.log_in_with_cookie(self.users[0]))
        self.check("refresh_cookie", line, 200, lambda text: '"access"' in text)
        wrong = self.refresh_cookie_line("auth-session=wrong")
        self.check("refresh_cookie", wrong, 401, lambda text: '"access"' not in text)
        return self.measure_repeated("refresh_cookie", line, seconds)

    def protected_same(self, seconds):
        self.access = self.new_access_tokens.pop()
        anonymous = request_line("GET", "/whoami")
        self.check("protected_same", anonymous, 401, lambda text: "sub" not in text)
        authenticated = self.protected_line(self.access)
        self.check("protected_same", authenticated, 200, lambda text: '"sub"' in text)
        # The least work for a known token is none: the limit answers without authentication.
        path = "/open" if self.system.name == "limit" else "/whoami"
        return self.measure_protected(seconds, path)

    def measure_protected(self, seconds, path="/whoami"):
        line = self.protected_line(self.access, path)
        return self.measure_repeated("protected_same", line, seconds)

    def protected_new(self, seconds):
        lines = [self.protected_line(access) for access in self.new_access_tokens]
        result = self.measure("protected_new", lines, "once", CONNECTIONS, seconds)[0]
        self.new_access_tokens = []
        return result

    def verify(self, seconds):
        self.check("verify", self.verify_line(), 200, lambda text: text == "{}")
        self.check("verify", self.verify_line(self.access[:-2]), 401, bool)
        return self.measure_repeated("verify", self.verify_line(), seconds)

    def introspect(self, seconds):
        if not self.system.client:
            return None
        line = self.introspect_line()
        self.check("introspect", line, 200, lambda text: '"active":true' in text)
        return self.measure_repeated("introspect", line, seconds)

    def jwks(self, seconds):
        if not self.system.client:
            return None
        self.check("jwks", self.jwks_line(), 200, lambda text: '"kty"' in text)
        return self.measure_repeated("jwks", self.jwks_line(), seconds)

    def sign_in_page(self, seconds):
        if not self.system.has_pages:
            return None
        line = request_line("GET", "/sign-in")
        self.check("sign_in_page", line, 200, lambda text: "</form>" in text)
        return self.measure_repeated("sign_in_page", line, seconds)

    def plaintext(self, seconds):
        return self.measure_repeated("plaintext", self.healthz_line(), seconds)

    def measure_repeated(self, operation, line, seconds):
        return self.measure(operation, [line], "repeat", CONNECTIONS, seconds)[0]

    def logout(self, seconds):
        first = self.pairs.pop()
        lines = [self.logout_line(pair) for pair in self.pairs]
        self.pairs.clear()
        self.check("logout", self.logout_line(first), 204, lambda text: not text)
        self.check("logout", self.refresh_line(first["refresh"]), 401, bool)
        return self.measure("logout", lines, "once", CONNECTIONS, seconds)[0]


def tokens_of(body):
    """Returns the token pair of a login's response. auth-service nests it in `tokens`."""
    return body.get("tokens", body)


def has_token_pair(text):
    return '"access"' in text and '"refresh"' in text


# The methods of `Client` that are operations, and their names in the results.
OPERATIONS = {
    "register": "register",
    "login": "login, one at a time",
    "login_under_load": f"login, {LOGIN_CONNECTIONS} at a time",
    "refresh": "refresh with rotation",
    "refresh_cookie": "refresh by cookie",
    "protected_same": "protected call, token seen before",
    "protected_new": "protected call, every token new",
    "verify": "token/verify",
    "introspect": "introspect",
    "jwks": "JWKS",
    "sign_in_page": "sign-in page",
    "plaintext": "healthz",
    "logout": "logout",
}
