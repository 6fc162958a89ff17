"""How many instructions each hot path takes, as callgrind counts them: the same on a busy machine as on a quiet one.

Both services run on their embedded stores, one worker each, built with the profile `counted`. What the kernel does is not
counted, nor what a store of its own would.
"""

import http.client
import json
import os
import platform
import subprocess
import sys

from . import machine, report
from .operations import Client
from .systems import BENCHMARKS, TARGET, Ours

BASELINE = BENCHMARKS / "instructions.json"
TOLERANCE = 0.05
TIMES = 500


class Counted(Ours):
    """The services under callgrind."""

    programs = TARGET / "counted"
    under = ("valgrind", "--tool=callgrind")
    extra_env = {"AUTH_WORKERS": "1", "RESOURCE_WORKERS": "1", "HASH_THREADS": "1", "REFRESH_GRACE": "0"}

    def count(self, operation, work, times):
        """The instructions of the service that has this operation, for each time that `work` does it."""
        process = self.processes[self.port(operation) == self.resource_port]
        control = lambda option: subprocess.run(  # noqa: E731
            ["callgrind_control", option, str(process.pid)], check=True, capture_output=True
        )
        # Whatever is done but once is done by then.
        work(times // 10 + 1)
        control("--zero")
        work(times)
        before = set(self.folder.glob("callgrind.out.*"))
        control("--dump")
        (dump,) = set(self.folder.glob("callgrind.out.*")) - before
        total = next(line for line in dump.read_text().splitlines() if line.startswith("totals:"))
        return round(int(total.split()[1]) / times)


def paths(system, client):
    """The name of each hot path, whose operation it is, what walks it so many times, and how many are enough."""

    def repeated(operation, request):
        def work(times):
            method, path, authorization, content_type, body = request.split("\t")
            headers = {"Authorization": authorization} if authorization else {}
            headers |= {"Content-Type": content_type} if content_type else {}
            connection = http.client.HTTPConnection("127.0.0.1", system.port(operation))
            for _ in range(times):
                connection.request(method, path, body or None, headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    sys.exit(f"{operation}: {answer.status}")
            connection.close()

        return work

    newest = {}

    def refresh(times):
        connection = http.client.HTTPConnection("127.0.0.1", system.auth_port)
        for _ in range(times):
            body = json.dumps({"refresh": newest["refresh"]})
            connection.request("POST", "/token/refresh", body, {"Content-Type": "application/json"})
            answered = json.loads(connection.getresponse().read())
            newest.update(answered)
            client.unseen.append(answered["access"])
        connection.close()

    def unseen(times):
        connection = http.client.HTTPConnection("127.0.0.1", system.resource_port)
        for _ in range(times):
            connection.request("GET", "/whoami", headers={"Authorization": f"Bearer {client.unseen.pop()}"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                sys.exit(f"protected_new: {answer.status}")
        connection.close()

    newest.update(client.first_tokens())
    client.users.append(client.last_name)
    client.access = newest["access"]
    login = client.login_line(client.last_name)
    yield "login, of which nearly all is bcrypt at cost 10", "login", repeated("login", login), 3
    yield "refresh", "refresh", refresh, 2 * TIMES
    yield "protected call, token seen before", "protected_same", repeated("protected_same", client.protected_line(client.access)), TIMES
    yield "protected call, token new", "protected_new", unseen, TIMES
    yield "token/verify", "verify", repeated("verify", client.verify_line()), TIMES
    yield "introspect", "introspect", repeated("introspect", client.introspect_line()), TIMES
    yield "JWKS", "jwks", repeated("jwks", client.jwks_line()), TIMES
    yield "healthz", "plaintext", repeated("plaintext", client.plaintext_line()), TIMES


def count(folder, say):
    system = Counted(None, folder / "counted", 10)
    system.start()
    client = Client(system, None, folder)
    found = {}
    for name, operation, work, times in paths(system, client):
        found[name] = system.count(operation, work, times)
        say(f"{name}: {found[name]:,} instructions")
    return found


def compare(found):
    """Each path beside the baseline, and whether all are within the tolerance."""
    known = json.loads(BASELINE.read_text())["instructions"]
    rows, holds = [], set(known) == set(found)
    for name, count_ in found.items():
        change = count_ / known[name] - 1 if name in known else None
        within = change is not None and abs(change) <= TOLERANCE
        holds &= within
        rows.append([name, f"{known.get(name, 0):,}", f"{count_:,}", "new" if change is None else f"{change:+.1%}", "" if within else "**!**"])
    return report.table(["", "baseline", "now", "change", ""], rows), holds


def facts():
    rustc = machine.version("rustc", "--version")
    valgrind = machine.version("valgrind", "--version")
    return {"rustc": rustc, "valgrind": valgrind, "machine": platform.machine(), "cpu": machine.describe()["cpu"]}


def run(folder, update, say):
    """Counts, and compares with the baseline or replaces it. Says whether nothing has changed by more than is tolerated."""
    found = count(folder, say)
    if update:
        BASELINE.write_text(json.dumps({**facts(), "instructions": found}, indent=1) + "\n")
        return True
    table, holds = compare(found)
    print(table)
    if not holds:
        say(
            f"something takes {TOLERANCE:.0%} more or less than benchmarks/instructions.json says. If that is meant:"
            " benchmarks/run instructions --update"
        )
    return holds
