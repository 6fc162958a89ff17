"""wrk, and what it tells."""

import json
import os
import subprocess
import sys
from pathlib import Path

from . import machine
from .systems import BENCHMARKS

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


def line(method, path, authorization="", body=None, content_type=JSON):
    """A request as load/requests.lua reads it."""
    if body is None:
        return "\t".join((method, path, authorization, "", ""))
    return "\t".join((method, path, authorization, content_type, body if isinstance(body, str) else json.dumps(body)))


class Load:
    """A load that runs, until `end`."""

    def __init__(self, folder, port, lines, mode, connections, seconds, answers=False):
        requests, self.answers, self.threads = folder / "requests", folder / "answers", min(2, connections)
        requests.write_text("\n".join(lines) + "\n")
        env = {**os.environ, "REQUESTS": str(requests), "MODE": mode, "THREADS": str(self.threads)}
        env.pop("ANSWERS", None)
        if answers:
            env["ANSWERS"] = str(self.answers)
        self.wrk = subprocess.Popen(
            ["wrk", "-t", str(self.threads), "-c", str(connections), "-d", f"{seconds}s", "--timeout", "60s",
             "-s", str(BENCHMARKS / "load/requests.lua"), f"http://127.0.0.1:{port}"],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )

    def end(self):
        """What came of it, and the bodies of the answers."""
        said = self.wrk.communicate()[0]
        result = next((json.loads(row[7:]) for row in said.splitlines() if row.startswith("RESULT ")), None)
        if result is None or result["requests"] == 0:
            sys.exit(f"wrk has measured nothing:\n{said}")
        bodies = []
        for number in range(self.threads):
            answers = Path(f"{self.answers}.{number}")
            if answers.exists():
                bodies += [json.loads(row) for row in answers.read_text().splitlines() if row]
                answers.unlink()
        return result, bodies


def measure(system, stores, folder, operation, lines, mode, connections, seconds, answers=False, wait=True):
    """Loads a system, and waits until it is done. Ends the run if anything was answered otherwise than it should."""
    before, stores_before = machine.cpu_seconds(system.pids), machine.cpu_seconds(stores.pids)
    # Each connection has several requests to send, also those that come later; a session's come back.
    least = {"repeat": 0, "once": 8, "rotate": 2}[mode]
    if least:
        connections = max(1, min(connections, len(lines) // least))
    load = Load(folder, system.port(operation), lines, mode, connections, seconds, answers)
    result, bodies = load.end()
    if result["refused"] or result["broken"]:
        sys.exit(f"{system.name}, {operation}: not all requests were answered as they should: {result}")
    del result["refused"], result["broken"]
    thousands = result["requests"] / 1000
    result["per_second"] = result["requests"] / result.pop("seconds")
    result["cpu_s_per_1000"] = (machine.cpu_seconds(system.pids) - before) / thousands
    result["stores_cpu_s_per_1000"] = (machine.cpu_seconds(stores.pids) - stores_before) / thousands
    if wait:
        machine.until_idle(system.pids + stores.pids)
    return result, bodies
