"""The command line of `python -m bench`. See `--help`."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from . import chart, instructions, peers, report, scale
from .processes import Process
from .systems import BENCHMARKS

MEASUREMENTS = ("peers", "scale", "instructions")
DESCRIPTION = """\
Compares auth-service and resource-service with a minimal server, which does only the work that
cannot be omitted, and with Django REST framework and simplejwt. All systems run on this machine and
are measured in turn. Writes peers.json, peers.md, peers.svg, scale.json and scale.md.
"""
MEASUREMENTS_HELP = """\
peers: compare with the minimal server and with simplejwt; scale: measure with 1,000 to 1,000,000
users and sessions; instructions: count the instructions of each hot path, and compare them with
benchmarks/instructions.json (default: peers scale)
"""


def parse_arguments():
    parser = argparse.ArgumentParser(prog="benchmarks/run", description=DESCRIPTION)
    add = parser.add_argument
    add("measurements", nargs="*", metavar="MEASUREMENT", help=MEASUREMENTS_HELP)
    add("--update", action="store_true", help="instructions: write the counts to the baseline")
    add(
        "--quick",
        action="store_true",
        help="measure one round of two seconds, to test the benchmarks",
    )
    add("--rounds", type=int, default=3, help="measurements of each operation and system (3)")
    add("--seconds", type=int, default=8, help="duration of each measurement (8)")
    add("--cost", type=int, default=10, help="bcrypt cost of all systems (10)")
    results = BENCHMARKS / "results"
    add("--output", type=Path, default=results, help="folder for results (benchmarks/results)")
    options = parser.parse_args()
    options.measurements = options.measurements or ["peers", "scale"]
    if not set(options.measurements) <= set(MEASUREMENTS):
        parser.error(f"MEASUREMENT must be one of {', '.join(MEASUREMENTS)}")
    if options.quick:
        options.rounds = 1
        options.seconds = 2
        if options.output == results:
            parser.error("--quick results are too inaccurate to keep: set --output")
    return options


def log(*words):
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


def write_results(folder, name, results, text, image=None):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / f"{name}.md").write_text(text)
    if image:
        (folder / f"{name}.svg").write_text(image)
    print(text)


def run(options, folder):
    """Runs the measurements. Returns whether no count exceeds the tolerance."""
    if "peers" in options.measurements:
        results = peers.measure_peers(options, folder, log)
        image = chart.svg(results)
        write_results(options.output, "peers", results, report.markdown(results), image)
    if "scale" in options.measurements:
        results = scale.measure_scale(options, folder, log)
        write_results(options.output, "scale", results, scale.markdown(results))
    if "instructions" in options.measurements:
        return instructions.run(folder, options.update, log)
    return True


def main():
    options = parse_arguments()
    folder = Path(tempfile.mkdtemp(prefix="benchmarks.", dir="/tmp"))
    # PostgreSQL runs as another user, which needs access.
    folder.chmod(0o755)
    try:
        if not run(options, folder):
            sys.exit(1)
    finally:
        Process.stop_all()
        shutil.rmtree(folder, ignore_errors=True)


main()
