"""What is measured otherwise than by a load alone: refreshes in a flood of logins, how long a start
takes, what gunicorn is best run with."""

import statistics

from . import machine
from .load import Load, line
from .operations import MANY

# One sync worker more than cores is gunicorn's advice; threads keep connections open. The best is found by trying.
LAYOUTS = [(2, 1), (3, 1), (5, 1), (2, 4), (3, 4)]


def best_layout(client, seconds):
    """The number of workers, and of threads in each, that answers the most protected calls."""
    system, rates = client.system, {}
    for layout in LAYOUTS:
        system.layout = layout
        system.restart()
        if not client.access:
            client.access = client.first_tokens()["access"]
        rates[layout] = client.protected(seconds)["per_second"]
    system.layout = max(rates, key=rates.get)
    system.restart()
    return {f"{workers} x {threads}": round(rate) for (workers, threads), rate in rates.items()}


def refresh_p99(client, seconds, flooded):
    """The p50 and p99 of refreshes, one after the other, in milliseconds; and how many logins there were beside them."""
    pairs = [client.pairs.popleft() for _ in range(2)]
    lines = [line("POST", "/token/refresh", body={"refresh": pair["refresh"]}) for pair in pairs]
    logins = None
    if flooded:
        folder = client.folder / "flood"
        folder.mkdir(exist_ok=True)
        lines_of_logins = [client.login_line(name) for name in client.users]
        logins = Load(folder, client.system.auth_port, lines_of_logins, "repeat", MANY, seconds + 2)
    result, _ = client.measure("refresh", lines, "rotate", 1, seconds, wait=False)
    count = logins.end()[0]["requests"] if logins else 0
    machine.until_idle(client.system.pids)
    return result["p50_ms"], result["p99_ms"], count


def flood(client, rounds, seconds):
    """Quiet and flooded in turn: the medians of all rounds."""
    found = {"quiet": [], "flooded": []}
    for _ in range(rounds):
        for name, rows in found.items():
            rows.append(refresh_p99(client, seconds, name == "flooded"))
    medians = {
        f"{name}_{percentile}_ms": statistics.median(row[column] for row in rows)
        for name, rows in found.items()
        for column, percentile in enumerate(("p50", "p99"))
    }
    return {**medians, "logins": sum(row[2] for row in found["flooded"])}


def starts(system, rounds):
    """Seconds from the start to the first answer of each service, its schema in place."""
    took = [system.restart() for _ in range(rounds)]
    return [statistics.median(of_one) for of_one in zip(*took)]
