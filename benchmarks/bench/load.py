"""Loads by wrk."""

import json
import os
import subprocess
import sys
from pathlib import Path

from . import machine
from .systems import BENCHMARKS

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
SCRIPT = BENCHMARKS / "load/requests.lua"
RESULT_PREFIX = "RESULT "
# The minimum number of requests for each connection, by mode. A connection needs several: in mode
# `once` some connections start late, in mode `rotate` a token is used again only after its answer.
REQUESTS_PER_CONNECTION = {"repeat": 0, "once": 8, "rotate": 2}


def request_line(method, path, authorization="", body=None, content_type=JSON, cookie=""):
    """Returns a request in the form that load/requests.lua reads."""
    if body is None:
        return "\t".join((method, path, authorization, cookie, "", ""))
    text = body if isinstance(body, str) else json.dumps(body)
    return "\t".join((method, path, authorization, cookie, content_type, text))


class Load:
    """A running load."""

    def __init__(self, folder, port, lines, mode, connections, seconds, keep_bodies=False):
        requests = folder / "requests"
        requests.write_text("\n".join(lines) + "\n")
        self.bodies = folder / "bodies"
        self.threads = min(2, connections)
        env = {**os.environ, "REQUESTS": str(requests), "MODE": mode, "THREADS": str(self.threads)}
        env.pop("BODIES", None)
        if keep_bodies:
            env["BODIES"] = str(self.bodies)
        options = [
            "-t", str(self.threads),
            "-c", str(connections),
            "-d", f"{seconds}s",
            "--timeout", "60s",
            "-s", str(SCRIPT),
        ]
        self.wrk = subprocess.Popen(
            ["wrk", *options, f"http://127.0.0.1:{port}"],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )

    def wait(self):
        """Waits for the end of the load. Returns the result and the bodies of the responses."""
        output = self.wrk.communicate()[0]
        result = None
        for line in output.splitlines():
            if line.startswith(RESULT_PREFIX):
                result = json.loads(line.removeprefix(RESULT_PREFIX))
        if result is None or result["requests"] == 0:
            sys.exit(f"wrk measured nothing:\n{output}")
        return result, self.take_bodies()

    def take_bodies(self):
        bodies = []
        for thread in range(self.threads):
            file = Path(f"{self.bodies}.{thread}")
            if file.exists():
                bodies += [json.loads(line) for line in file.read_text().splitlines() if line]
                file.unlink()
        return bodies


def measure(
    system, stores, folder, operation, lines, mode, connections, seconds,
    keep_bodies=False, wait=True,
):
    """Puts a load on a system. Returns the figures and the bodies of the responses.

    Ends the run if the system answers a request with an error. Returns after the system is idle,
    unless `wait` is false.
    """
    cpu_before = machine.cpu_seconds(system.pids)
    stores_cpu_before = machine.cpu_seconds(stores.pids)
    minimum = REQUESTS_PER_CONNECTION[mode]
    if minimum:
        connections = max(1, min(connections, len(lines) // minimum))
    load = Load(folder, system.port(operation), lines, mode, connections, seconds, keep_bodies)
    result, bodies = load.wait()
    if result["error_statuses"] or result["connection_errors"]:
        sys.exit(f"{system.name}, {operation}: some requests failed: {result}")
    del result["error_statuses"], result["connection_errors"]
    thousands = result["requests"] / 1000
    cpu = machine.cpu_seconds(system.pids) - cpu_before
    stores_cpu = machine.cpu_seconds(stores.pids) - stores_cpu_before
    result["per_second"] = result["requests"] / result.pop("seconds")
    result["cpu_s_per_1000"] = cpu / thousands
    result["stores_cpu_s_per_1000"] = stores_cpu / thousands
    if wait:
        machine.wait_until_idle(system.pids + stores.pids)
    return result, bodies
