"""Counts the instructions of each hot path with callgrind.

The counts do not depend on other work on the machine. Both services run on their embedded stores
with one worker each. The instructions of the kernel and of external stores are not counted.
"""

import http.client
import json
import platform
import subprocess
import sys

from . import machine, report
from .operations import Client
from .systems import BENCHMARKS, Ours

BASELINE = BENCHMARKS / "instructions.json"
TOLERANCE = 0.05
CALLS = 500
LOGIN_NAME = "login, mostly bcrypt at cost 10"
CALLS_OF_LOGIN = 3


class Counted(Ours):
    """The services under callgrind."""

    wrapper = ("valgrind", "--tool=callgrind")
    extra_env = {
        "AUTH_WORKERS": "1",
        "RESOURCE_WORKERS": "1",
        "HASH_THREADS": "1",
        "REFRESH_GRACE": "0",
    }

    def count(self, path):
        """Returns the instructions that the service of a path executes for each call."""
        auth_service, resource_service = self.processes
        uses_resource_service = self.port(path.operation) == self.resource_port
        process = resource_service if uses_resource_service else auth_service
        # The first calls include work that is done only once.
        path.call(path.calls // 10 + 1)
        callgrind_control("--zero", process)
        path.call(path.calls)
        dumps_before = set(self.folder.glob("callgrind.out.*"))
        callgrind_control("--dump", process)
        (dump,) = set(self.folder.glob("callgrind.out.*")) - dumps_before
        for line in dump.read_text().splitlines():
            if line.startswith("totals:"):
                return round(int(line.split()[1]) / path.calls)
        sys.exit(f"{dump} has no totals")


def callgrind_control(option, process):
    command = ["callgrind_control", option, str(process.pid)]
    subprocess.run(command, check=True, capture_output=True)


class HotPath:
    """A hot path: one operation, called a number of times with one request line."""

    def __init__(self, name, operation, client, line=None, calls=CALLS):
        self.name = name
        self.operation = operation
        self.client = client
        self.line = line
        self.calls = calls

    def call(self, times):
        """Calls the path on one connection. Ends the run if a response is not 200."""
        port = self.client.system.port(self.operation)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        for _ in range(times):
            method, path, authorization, cookie, content_type, body = self.next_line().split("\t")
            headers = {"Authorization": authorization, "Content-Type": content_type}
            if cookie:
                headers |= {"Cookie": cookie, "Origin": f"http://127.0.0.1:{port}"}
            headers = {name: value for name, value in headers.items() if value}
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            text = response.read()
            if response.status != 200:
                sys.exit(f"{self.operation}: {response.status}")
            self.receive(text)
        connection.close()

    def next_line(self):
        return self.line

    def receive(self, text):
        pass


class RefreshPath(HotPath):
    """Refreshes the newest token of one session, and collects the new access tokens."""

    def __init__(self, name, client, refresh_token):
        super().__init__(name, "refresh", client, calls=2 * CALLS)
        self.refresh_token = refresh_token

    def next_line(self):
        return self.client.refresh_line(self.refresh_token)

    def receive(self, text):
        tokens = json.loads(text)
        self.refresh_token = tokens["refresh"]
        self.client.new_access_tokens.append(tokens["access"])


class NewTokenPath(HotPath):
    """Presents an access token of the refreshes once."""

    def next_line(self):
        return self.client.protected_line(self.client.new_access_tokens.pop())


def hot_paths(client):
    user, tokens = client.register_and_log_in()
    client.access = tokens["access"]
    protected = client.protected_line(client.access)
    cookie = client.log_in_with_cookie(user)
    return [
        HotPath(LOGIN_NAME, "login", client, client.login_line(user), CALLS_OF_LOGIN),
        RefreshPath("refresh", client, tokens["refresh"]),
        HotPath("refresh by cookie", "refresh_cookie", client, client.refresh_cookie_line(cookie)),
        HotPath("protected call, token seen before", "protected_same", client, protected),
        NewTokenPath("protected call, token new", "protected_new", client),
        HotPath("token/verify", "verify", client, client.verify_line()),
        HotPath("introspect", "introspect", client, client.introspect_line()),
        HotPath("JWKS", "jwks", client, client.jwks_line()),
        HotPath("healthz", "plaintext", client, client.healthz_line()),
    ]


def count_all(folder, log):
    system = Counted(None, folder / "counted", 10)
    system.start()
    client = Client(system, None, folder)
    counts = {}
    for path in hot_paths(client):
        counts[path.name] = system.count(path)
        log(f"{path.name}: {counts[path.name]:,} instructions")
    return counts


def compare(counts):
    """Compares counts with the baseline.

    Returns a table, whether no path takes more instructions than the tolerance allows, and whether
    the baseline is still accurate.
    """
    baseline = json.loads(BASELINE.read_text())["instructions"]
    rows = []
    holds = accurate = set(baseline) == set(counts)
    for name, count in counts.items():
        known = baseline.get(name)
        change = count / known - 1 if known else None
        is_within = change is not None and abs(change) <= TOLERANCE
        accurate = accurate and is_within
        holds = holds and change is not None and change <= TOLERANCE
        shown_change = "new" if change is None else f"{change:+.1%}"
        rows.append([
            name, f"{known or 0:,}", f"{count:,}", shown_change, "" if is_within else "**!**"
        ])
    return report.table(["", "baseline", "now", "change", ""], rows), holds, accurate


def conditions():
    return {
        "rustc": machine.version("rustc", "--version"),
        "valgrind": machine.version("valgrind", "--version"),
        "machine": platform.machine(),
        "cpu": machine.describe()["cpu"],
    }


def run(folder, update, log):
    """Counts, and compares the counts with the baseline or replaces the baseline.

    Returns whether no path takes more instructions than the tolerance allows.
    """
    counts = count_all(folder, log)
    if update:
        baseline = {**conditions(), "instructions": counts}
        BASELINE.write_text(json.dumps(baseline, indent=1) + "\n")
        return True
    table, holds, accurate = compare(counts)
    print(table)
    if not accurate:
        log(
            f"a path takes {TOLERANCE:.0%} more or fewer instructions than in"
            " benchmarks/instructions.json. If the change is intended, run:"
            " benchmarks/run instructions --update"
        )
    return holds
