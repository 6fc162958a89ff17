"""The results of `peers` as a bar chart."""

import math
from html import escape

from .operations import OPERATIONS
from .report import SYSTEMS, median, number

COLOURS = {"ours": "#b7410e", "limit": "#8a8f98", "simplejwt": "#2b6cb0"}
LABELS = {
    "ours": "auth-service, resource-service",
    "limit": "the limit",
    "simplejwt": "simplejwt",
}
TITLE = "Requests per second, on a logarithmic scale"
WIDTH = 800
LEFT = 230
TOP = 58
BOTTOM = 28
BARS_WIDTH = 470
BAR = 13
GAP = 16
DECADES = 6
DARK = "#1f2328"
MUTED = "#59636e"
GRID = "#d8dee4"


def svg(results):
    """Returns a chart of the requests per second of each operation, on a logarithmic scale."""
    operations = [operation for operation in results["operations"] if operation != "plaintext"]
    height = TOP + len(operations) * (3 * BAR + GAP) + BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
        ' font-family="system-ui, sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="24" font-size="15" font-weight="600" fill="{DARK}">{TITLE}</text>',
        *legend(),
        *grid(height),
    ]
    y = TOP + GAP / 2
    for operation in operations:
        parts += bars(results, operation, y)
        y += 3 * BAR + GAP
    return "\n".join([*parts, "</svg>"]) + "\n"


def x_of(value):
    return LEFT + BARS_WIDTH * max(0, math.log10(value)) / DECADES


def legend():
    for index, system in enumerate(SYSTEMS):
        x = 16 + index * 215
        yield f'<rect x="{x}" y="35" width="11" height="11" fill="{COLOURS[system]}"/>'
        yield f'<text x="{x + 16}" y="45" fill="{DARK}">{escape(LABELS[system])}</text>'


def grid(height):
    for decade in range(DECADES + 1):
        x = f"{x_of(10**decade):.1f}"
        yield f'<line x1="{x}" y1="{TOP}" x2="{x}" y2="{height - 24}" stroke="{GRID}"/>'
        text = f"{10**decade:,}"
        yield f'<text x="{x}" y="{height - 8}" text-anchor="middle" fill="{MUTED}">{text}</text>'


def bars(results, operation, y):
    """Yields the name of an operation, and the bar of each system that has it."""
    title = escape(OPERATIONS[operation])
    title_y = f"{y + 1.5 * BAR + 4:.1f}"
    yield f'<text x="{LEFT - 10}" y="{title_y}" text-anchor="end" fill="{DARK}">{title}</text>'
    for index, system in enumerate(SYSTEMS):
        value = median(results, operation, system, "per_second")
        if value is None:
            continue
        top = y + index * BAR
        end = x_of(value)
        size = f'width="{end - LEFT:.1f}" height="{BAR - 2}"'
        yield f'<rect x="{LEFT}" y="{top:.1f}" {size} fill="{COLOURS[system]}"/>'
        position = f'x="{end + 5:.1f}" y="{top + BAR - 3:.1f}"'
        yield f'<text {position} font-size="11" fill="{DARK}">{number(value)}</text>'
