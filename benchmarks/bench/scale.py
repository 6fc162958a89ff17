"""Measures with 1,000 to 1,000,000 users and sessions, and with 1,000,000 ended sessions."""

import json
import statistics
import time

from . import extras, machine, report
from .population import Population
from .processes import call

SIZES = (1_000, 100_000, 1_000_000)
QUICK_SIZES = (200, 2_000)
REFRESHES = 5
# A million sessions take long to refresh.
FEW_REFRESHES = 2

END_SESSIONS_SQL = """
INSERT INTO sessions (id, created_at, expires_at, revoked_at, revoked_cause, blacklisted_at)
SELECT gen_random_uuid(), now_ms, now_ms + 604800000, now_ms, 'logout', now_ms
FROM (SELECT (extract(epoch FROM now()) * 1000)::bigint AS now_ms) AS now,
     generate_series(1, {count});
VACUUM ANALYZE;
"""


def measure_scale(options, folder, log):
    sizes = QUICK_SIZES if options.quick else SIZES
    populations = []
    for size in sizes:
        log(f"creating and refreshing {size:,} users and sessions")
        population = Population(folder / str(size), options.cost, size)
        few = options.quick or size >= 1_000_000
        population.populate(FEW_REFRESHES if few else REFRESHES, options.rounds)
        populations.append(population)
    return {
        **machine.conditions(options, populations[0].stores),
        "sizes": measure_sizes(options, populations, log),
        "revocations": measure_ended_sessions(populations[0], options, sizes[-1], log),
    }


def measure_sizes(options, populations, log):
    results = {}
    for population in populations:
        results[population.size] = {
            "redis_bytes_per_session": population.redis_bytes,
            "refresh": [],
            "login": [],
        }
    # The sizes take turns, so that other work on the machine falls on all of them.
    for round_ in range(1, options.rounds + 1):
        for operation in ("refresh", "login"):
            for population in populations:
                result = getattr(population, operation)(options.seconds)
                results[population.size][operation].append(result)
                per_second = report.number(result["per_second"])
                log(f"round {round_}, {operation}, {population.size:,}: {per_second}/s")
    return results


def measure_ended_sessions(population, options, count, log):
    """Measures protected calls and starts with no ended session, and with `count` of them."""
    system = population.system
    client = population.client
    _, tokens = client.register_and_log_in()
    client.access = tokens["access"]

    def protected_per_second():
        rounds = [client.measure_protected(options.seconds) for _ in range(options.rounds)]
        return statistics.median(result["per_second"] for result in rounds)

    results = {"count": count, "protected_per_second": {0: protected_per_second()}}
    results["start_seconds"] = {0: extras.measure_starts(system, 3)}
    log(f"ending {count:,} sessions")
    population.stores.psql(END_SESSIONS_SQL.format(count=count), "auth")
    population.stores.redis_cli("FLUSHALL")
    results["rebuild_seconds"] = list(system.restart())
    results["caught_up_seconds"] = wait_for_feed(system)
    results["start_seconds"][count] = extras.measure_starts(system, 3)
    results["protected_per_second"][count] = protected_per_second()
    log(f"ended sessions: {results}")
    return results


def wait_for_feed(system):
    """Waits until resource-service knows all ended sessions. Returns the seconds of the wait.

    The service is ready before that.
    """
    started = time.perf_counter()
    while True:
        _, body = call(system.resource_port, "GET", "/readyz")
        if json.loads(body).get("revocations") == "ok":
            return time.perf_counter() - started
        time.sleep(0.01)


def markdown(results):
    return "\n\n".join([
        report.conditions_line(results),
        "### Users and sessions",
        sizes_table(results["sizes"]),
        "### Recently ended sessions",
        ended_sessions_table(results["revocations"]),
    ]) + "\n"


def sizes_table(sizes):
    rows = []
    for size, result in sizes.items():
        redis_bytes = [
            f"{report.number(used)} after {refreshes}"
            for refreshes, used in result["redis_bytes_per_session"].items()
        ]
        rows.append([
            f"{size:,}",
            median(result["refresh"], "per_second"),
            median(result["refresh"], "p99_ms"),
            median(result["login"], "per_second"),
            median(result["login"], "p99_ms"),
            ", ".join(redis_bytes),
        ])
    header = [
        "users, each with a session",
        "refreshes per second",
        "p99, ms",
        "logins per second",
        "p99, ms",
        "Redis bytes per session, by its number of refreshes",
    ]
    return report.table(header, rows)


def ended_sessions_table(results):
    count = results["count"]
    calls = [report.number(results["protected_per_second"][number]) for number in (0, count)]
    starts = [milliseconds(results["start_seconds"][number]) for number in (0, count)]
    rebuild = milliseconds(results["rebuild_seconds"])
    return report.table(["", "0", f"{count:,}"], [
        ["protected calls per second", *calls],
        ["start of auth-service and of resource-service, ms", *starts],
        ["start with an empty Redis, ms", "", rebuild],
    ])


def median(rounds, figure):
    return report.number(statistics.median(result[figure] for result in rounds))


def milliseconds(seconds):
    return " and ".join(report.number(value * 1000) for value in seconds)
