"""Measurements other than a load of one operation: refreshes during a flood of logins, the time of
a start, and the best layout of gunicorn."""

import statistics

from . import machine
from .load import Load
from .operations import CONNECTIONS

# Workers and threads. gunicorn recommends one sync worker more than there are cores; threads keep
# connections open. The best layout is found by measurement.
LAYOUTS = [(2, 1), (3, 1), (5, 1), (2, 4), (3, 4)]


def choose_layout(client, seconds):
    """Runs gunicorn with the layout that answers the most protected calls, from now on.

    Returns the calls per second of each layout.
    """
    system = client.system
    rates = {}
    for layout in LAYOUTS:
        system.layout = layout
        system.restart()
        if not client.access:
            _, tokens = client.register_and_log_in()
            client.access = tokens["access"]
        rates[layout] = client.measure_protected(seconds)["per_second"]
    system.layout = max(rates, key=rates.get)
    system.restart()
    return {f"{workers} x {threads}": round(rate) for (workers, threads), rate in rates.items()}


def flood(client, rounds, seconds):
    """Measures refreshes with and without a flood of logins, in turn.

    Returns the medians of the rounds, and the number of logins in all floods.
    """
    latencies = {"quiet": [], "flooded": []}
    logins = 0
    for _ in range(rounds):
        latencies["quiet"].append(refresh_latency(client, seconds))
        machine.wait_until_idle(client.system.pids)
        load = start_logins(client, seconds + 2)
        latencies["flooded"].append(refresh_latency(client, seconds))
        logins += load.wait()[0]["requests"]
        machine.wait_until_idle(client.system.pids)
    medians = {
        f"{state}_{figure}": statistics.median(latency[figure] for latency in of_rounds)
        for state, of_rounds in latencies.items()
        for figure in ("p50_ms", "p99_ms")
    }
    return {**medians, "logins": logins}


def refresh_latency(client, seconds):
    """Measures the refreshes of one connection, each after the response to the one before it."""
    pairs = [client.pairs.popleft() for _ in range(2)]
    lines = [client.refresh_line(pair["refresh"]) for pair in pairs]
    result, _ = client.measure("refresh", lines, "rotate", 1, seconds, wait=False)
    return result


def start_logins(client, seconds):
    folder = client.folder / "flood"
    folder.mkdir(exist_ok=True)
    lines = [client.login_line(name) for name in client.users]
    return Load(folder, client.system.auth_port, lines, "repeat", CONNECTIONS, seconds)


def measure_starts(system, count):
    """Returns the median seconds from a start to the first answer, for each process of a system.

    The database schema exists already.
    """
    seconds = [system.restart() for _ in range(count)]
    return [statistics.median(of_process) for of_process in zip(*seconds)]
