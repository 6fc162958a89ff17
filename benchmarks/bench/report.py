"""The results as a table, and as a picture."""

import math
import statistics
from html import escape

from .operations import OPERATIONS

SYSTEMS = ("ours", "limit", "simplejwt")


def middle(results, operation, system, figure):
    """The median of all rounds. `None` if the system does not have the operation."""
    rounds = results["operations"].get(operation, {}).get(system)
    return statistics.median(of_one[figure] for of_one in rounds) if rounds else None


def ratio(results, operation, to, figure="per_second"):
    """Ours to another's, round by round, for a machine is never twice as busy: the median of those."""
    rounds = results["operations"].get(operation, {})
    if not rounds.get("ours") or not rounds.get(to):
        return None
    return statistics.median(
        ours[figure] / theirs[figure] for ours, theirs in zip(rounds["ours"], rounds[to]) if theirs[figure]
    )


def number(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


# What was promised: the operation, whether against the limit or the peer, what is compared, and the bound.
TARGETS = [
    ("login", "limit", 0.97),
    ("login", "simplejwt", 1.1),
    ("login_under_load", "limit", 3),
    ("login_under_load", "simplejwt", 3),
    ("refresh", "limit", 0.80),
    ("refresh", "simplejwt", 100),
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
    """Each target, what was measured, and whether it holds. `None` where it was not measured."""
    rows = []
    for operation, to, bound in TARGETS:
        found = ratio(results, operation, to)
        rows.append((f"{OPERATIONS[operation]}, against {to}", f"at least {bound}", found, found and found >= bound))

    def at_most(name, bound, found, of=1):
        rows.append((name, f"at most {number(bound)}", found and found / of, found and found / of <= bound))

    flood = results.get("flood", {}).get("ours")
    if flood:
        at_most("p99 of refresh in a login flood, against its quiet p99", 2, flood["flooded_p99_ms"], flood["quiet_p99_ms"])
    memory = results.get("memory")
    for state in ("idle", "loaded") if memory else ():
        for to, bound in (("limit", 1.5), ("simplejwt", 0.2)):
            at_most(f"memory of both services, {state}, against {to}", bound, memory["ours"][state], memory[to][state])
    starts = results.get("start")
    if starts:
        slowest = max(starts["ours"])
        at_most("milliseconds from start to first 200", 50, slowest * 1000)
        at_most("start to first 200, against simplejwt", 0.2, slowest, starts["simplejwt"][0])
    return rows


def heading(results):
    machine, settings = results["machine"], results["settings"]
    return (
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, Linux {machine['kernel']}; "
        + ", ".join(results["versions"].values())
        + f"; bcrypt cost {settings['cost']}; medians of {settings['rounds']} rounds of {settings['seconds']} s each; "
        + f"{results['date']}."
    )


def markdown(results):
    parts = [heading(results)]
    rows = []
    for operation in results["operations"]:
        row = [OPERATIONS[operation]]
        row += [number(middle(results, operation, system, "per_second")) for system in SYSTEMS]
        row += [number(ratio(results, operation, to)) for to in SYSTEMS[1:]]
        row += [number(ratio(results, operation, to, "cpu_s_per_1000")) for to in SYSTEMS[1:]]
        rows.append(row)
    parts += ["### Requests per second", table(
        ["", *SYSTEMS, "ours / limit", "ours / simplejwt", "CPU, ours / limit", "CPU, ours / simplejwt"], rows
    )]
    rows = []
    for operation in results["operations"]:
        row = [OPERATIONS[operation]]
        for system in SYSTEMS:
            p50, p99, cpu, stores = (
                number(middle(results, operation, system, figure))
                for figure in ("p50_ms", "p99_ms", "cpu_s_per_1000", "stores_cpu_s_per_1000")
            )
            row += [f"{p50} / {p99}", f"{cpu} + {stores}"]
        rows.append(row)
    header = [""]
    for system in SYSTEMS:
        header += [f"{system}: p50 / p99 ms", "CPU s per 1,000, itself + stores"]
    parts += ["### Latency, and what a thousand requests cost", table(header, rows)]

    rows = []
    if "memory" in results:
        for state in ("idle", "loaded"):
            row = [number(results["memory"][system][state] / 1e6) for system in SYSTEMS]
            rows.append([f"memory, {state}, MB", *row])
    if "start" in results:
        row = [" and ".join(number(seconds * 1000) for seconds in results["start"][system]) for system in SYSTEMS]
        rows.append(["start to first 200, ms", *row])
    for name, figure in (("quiet", "quiet"), ("in a login flood", "flooded")):
        if "flood" in results:
            found = [results["flood"].get(system) for system in SYSTEMS]
            row = [
                f"{number(of_one[f'{figure}_p50_ms'])} / {number(of_one[f'{figure}_p99_ms'])}" if of_one else "–"
                for of_one in found
            ]
            rows.append([f"refresh, one client, {name}: p50 / p99 ms", *row])
    if rows:
        parts += ["### Memory, starts, floods", table(["", *SYSTEMS], rows)]
    rows = [
        [name, bound, number(found), "–" if found is None else "holds" if holds else "**does not hold**"]
        for name, bound, found, holds in targets(results)
    ]
    parts += ["### Targets", table(["", "target", "measured", ""], rows)]
    return "\n\n".join(parts) + "\n"


COLOURS = {"ours": "#b7410e", "limit": "#8a8f98", "simplejwt": "#2b6cb0"}
LABELS = {"ours": "auth-service, resource-service", "limit": "the limit", "simplejwt": "simplejwt"}


def svg(results):
    """Requests per second of each operation, on a logarithmic scale."""
    operations = [operation for operation in results["operations"] if operation != "plaintext"]
    left, width, bar, gap, top = 230, 470, 13, 16, 58
    height = top + len(operations) * (3 * bar + gap) + 28
    decades = 6

    def x(value):
        return left + width * max(0, math.log10(value)) / decades

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 800 {height}" font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="800" height="{height}" fill="#ffffff"/>',
        '<text x="16" y="24" font-size="15" font-weight="600" fill="#1f2328">Requests per second, on a logarithmic scale</text>',
    ]
    for index, system in enumerate(SYSTEMS):
        at = 16 + index * 215
        parts.append(f'<rect x="{at}" y="35" width="11" height="11" fill="{COLOURS[system]}"/>')
        parts.append(f'<text x="{at + 16}" y="45" fill="#1f2328">{escape(LABELS[system])}</text>')
    for decade in range(decades + 1):
        at = x(10**decade)
        parts.append(f'<line x1="{at:.1f}" y1="{top}" x2="{at:.1f}" y2="{height - 24}" stroke="#d8dee4"/>')
        parts.append(f'<text x="{at:.1f}" y="{height - 8}" text-anchor="middle" fill="#59636e">{10**decade:,}</text>')
    y = top + gap / 2
    for operation in operations:
        parts.append(
            f'<text x="{left - 10}" y="{y + 1.5 * bar + 4:.1f}" text-anchor="end" fill="#1f2328">{escape(OPERATIONS[operation])}</text>'
        )
        for index, system in enumerate(SYSTEMS):
            value = middle(results, operation, system, "per_second")
            if value is None:
                continue
            at = y + index * bar
            parts.append(
                f'<rect x="{left}" y="{at:.1f}" width="{x(value) - left:.1f}" height="{bar - 2}" fill="{COLOURS[system]}"/>'
            )
            parts.append(f'<text x="{x(value) + 5:.1f}" y="{at + bar - 3:.1f}" font-size="11" fill="#1f2328">{number(value)}</text>')
        y += 3 * bar + gap
    return "\n".join([*parts, "</svg>"]) + "\n"
