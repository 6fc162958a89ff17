"""The results of `peers` as Markdown tables."""

import statistics

from .operations import OPERATIONS

SYSTEMS = ("ours", "limit", "simplejwt")


def median(results, operation, system, figure):
    """Returns the median of all rounds. `None` if the system does not have the operation."""
    rounds = results["operations"].get(operation, {}).get(system)
    return statistics.median(result[figure] for result in rounds) if rounds else None


def ratio(results, operation, to, figure="per_second"):
    """Returns the median of the ratios of ours to another system's, one ratio a round.

    Other work on the machine falls on both systems of a round, but not on all rounds alike.
    """
    rounds = results["operations"].get(operation, {})
    if not rounds.get("ours") or not rounds.get(to):
        return None
    pairs = zip(rounds["ours"], rounds[to])
    return statistics.median(
        ours[figure] / theirs[figure] for ours, theirs in pairs if theirs[figure]
    )


def number(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(header, rows):
    def line(cells):
        return f"| {' | '.join(cells)} |"

    return "\n".join([line(header), "|" + "---|" * len(header), *map(line, rows)])


# Operation, the system it is compared with, and the minimum ratio of requests per second.
TARGETS = [
    ("login", "limit", 0.97),
    ("login", "simplejwt", 1.1),
    ("login_under_load", "limit", 3),
    ("login_under_load", "simplejwt", 3),
    ("refresh", "limit", 0.80),
    ("refresh", "simplejwt", 100),
    ("refresh_cookie", "limit", 0.80),
    ("logout", "limit", 0.70),
    ("logout", "simplejwt", 5),
    ("protected_same", "limit", 0.90),
    ("protected_same", "simplejwt", 100),
    ("protected_new", "limit", 0.90),
    ("protected_new", "simplejwt", 20),
    ("introspect", "limit", 0.80),
    ("verify", "limit", 0.80),
    ("verify", "simplejwt", 20),
]


def targets(results):
    """Returns a row for each target: name, bound, measured value, and whether the target is met.

    Value and verdict are `None` if the value was not measured.
    """
    rows = []
    for operation, to, bound in TARGETS:
        value = ratio(results, operation, to)
        is_met = value and value >= bound
        name = f"{OPERATIONS[operation]}, against {to}"
        rows.append((name, f"at least {number(bound)}", value, is_met))
    page = median(results, "sign_in_page", "ours", "per_second")
    json = median(results, "jwks", "ours", "per_second")
    value = page / json if page and json else None
    name = "sign-in page, against JWKS of the same service"
    rows.append((name, "at least 0.5", value, value and value >= 0.5))
    for name, bound, value in upper_bounds(results):
        is_met = value and value <= bound
        rows.append((name, f"at most {number(bound)}", value, is_met))
    return rows


def upper_bounds(results):
    """Yields the name, the bound and the measured value of each target that is an upper bound."""
    flood = results.get("flood", {}).get("ours")
    if flood:
        value = flood["flooded_p99_ms"] / flood["quiet_p99_ms"]
        yield "p99 of refresh in a login flood, against its quiet p99", 2, value
    memory = results.get("memory")
    for state in ("idle", "loaded") if memory else ():
        for to, bound in (("limit", 1.5), ("simplejwt", 0.2)):
            value = memory["ours"][state] / memory[to][state]
            yield f"memory of both services, {state}, against {to}", bound, value
    starts = results.get("start")
    if starts:
        slowest = max(starts["ours"])
        yield "milliseconds from start to first 200", 50, slowest * 1000
        yield "start to first 200, against simplejwt", 0.2, slowest / starts["simplejwt"][0]


def conditions_line(results):
    machine = results["machine"]
    settings = results["settings"]
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB,"
        f" Linux {machine['kernel']}; {', '.join(results['versions'].values())};"
        f" bcrypt cost {settings['cost']};"
        f" medians of {settings['rounds']} rounds of {settings['seconds']} s each;"
        f" {results['date']}."
    )


def markdown(results):
    sections = [
        conditions_line(results),
        "### Requests per second",
        throughput_table(results),
        "### Latency, and CPU time of a thousand requests",
        latency_table(results),
    ]
    rows = other_rows(results)
    if rows:
        sections += ["### Memory, starts, floods", table(["", *SYSTEMS], rows)]
    sections += ["### Targets", targets_table(results)]
    return "\n\n".join(sections) + "\n"


def throughput_table(results):
    rows = []
    for operation in results["operations"]:
        row = [OPERATIONS[operation]]
        row += [number(median(results, operation, system, "per_second")) for system in SYSTEMS]
        for figure in ("per_second", "cpu_s_per_1000"):
            row += [number(ratio(results, operation, to, figure)) for to in SYSTEMS[1:]]
        rows.append(row)
    ratios = ["ours / limit", "ours / simplejwt", "CPU, ours / limit", "CPU, ours / simplejwt"]
    return table(["", *SYSTEMS, *ratios], rows)


def latency_table(results):
    rows = []
    for operation in results["operations"]:
        row = [OPERATIONS[operation]]
        for system in SYSTEMS:
            p50, p99, cpu, stores_cpu = (
                number(median(results, operation, system, figure))
                for figure in ("p50_ms", "p99_ms", "cpu_s_per_1000", "stores_cpu_s_per_1000")
            )
            row += [f"{p50} / {p99}", f"{cpu} + {stores_cpu}"]
        rows.append(row)
    header = [""]
    for system in SYSTEMS:
        header += [f"{system}: p50 / p99 ms", "CPU s per 1,000, itself + stores"]
    return table(header, rows)


def other_rows(results):
    rows = []
    if "memory" in results:
        for state in ("idle", "loaded"):
            used = [number(results["memory"][system][state] / 1e6) for system in SYSTEMS]
            rows.append([f"memory, {state}, MB", *used])
    if "start" in results:
        starts = [
            " and ".join(number(seconds * 1000) for seconds in results["start"][system])
            for system in SYSTEMS
        ]
        rows.append(["start to first 200, ms", *starts])
    if "flood" in results:
        for title, state in (("quiet", "quiet"), ("in a login flood", "flooded")):
            floods = [results["flood"].get(system) for system in SYSTEMS]
            latencies = [latency_cell(flood, state) for flood in floods]
            rows.append([f"refresh, one client, {title}: p50 / p99 ms", *latencies])
    return rows


def latency_cell(flood, state):
    if not flood:
        return "–"
    return f"{number(flood[f'{state}_p50_ms'])} / {number(flood[f'{state}_p99_ms'])}"


def targets_table(results):
    rows = []
    for name, bound, value, is_met in targets(results):
        verdict = "holds" if is_met else "**does not hold**"
        rows.append([name, bound, number(value), "–" if value is None else verdict])
    return table(["", "target", "measured", ""], rows)
