"""`python -m bench`: see `--help`."""

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

from . import extras, instructions, machine, report, scale
from .operations import OPERATIONS, Client
from .systems import BENCHMARKS, Limit, Ours, Process, SimpleJwt, Stores


def arguments():
    parser = argparse.ArgumentParser(
        prog="benchmarks/run",
        description="Measures auth-service and resource-service beside a bare server that does only what cannot be left out,"
        " and beside Django REST framework with simplejwt: all of them on this machine, in turn, again and again. Writes"
        " peers.json, peers.md, peers.svg, scale.json and scale.md.",
    )
    parser.add_argument(
        "what", nargs="*", metavar="WHAT",
        help="peers: beside the limit and simplejwt; scale: with a thousand to a million users and sessions (both);"
        " instructions: what the hot paths take, compared with benchmarks/instructions.json",
    )
    parser.add_argument("--update", action="store_true", help="instructions: they are meant to be what they are now")
    parser.add_argument("--quick", action="store_true", help="one round of two seconds: whether it works, not how fast it is")
    parser.add_argument("--rounds", type=int, default=3, help="how often each operation is measured of each system (3)")
    parser.add_argument("--seconds", type=int, default=8, help="how long each time (8)")
    parser.add_argument("--cost", type=int, default=10, help="the bcrypt cost of all systems (10)")
    parser.add_argument("--output", type=Path, default=BENCHMARKS / "results", help="the folder for the results (benchmarks/results)")
    chosen = parser.parse_args()
    chosen.what = chosen.what or ["peers", "scale"]
    if not set(chosen.what) <= {"peers", "scale", "instructions"}:
        parser.error("WHAT is peers, scale or instructions")
    if chosen.quick:
        chosen.rounds, chosen.seconds = 1, 2
        if chosen.output == parser.get_default("output"):
            parser.error("--quick measures too little to be kept: give another folder (--output)")
    return chosen


def say(*words):
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


def peers(chosen, folder):
    stores = Stores(folder)
    systems = [Ours(stores, folder / "ours", chosen.cost), Limit(stores, folder / "limit", chosen.cost)]
    systems.append(SimpleJwt(stores, folder / "simplejwt", chosen.cost))
    return {**machine.facts(chosen, stores), **measure_all(chosen, stores, systems)}


def measure_all(chosen, stores, systems):
    clients = {system.name: Client(system, stores, system.folder) for system in systems}
    results = {}
    peer = clients["simplejwt"]
    say("gunicorn: how many workers are best")
    results["gunicorn"] = extras.best_layout(peer, max(1, chosen.seconds // 2))
    say(f"gunicorn: {results['gunicorn']}")
    for system in systems:
        if system is not peer.system:
            system.start()
    memory = {system.name: {"idle": machine.resident_bytes(system.pids), "loaded": 0} for system in systems}
    operations = {operation: {} for operation in OPERATIONS}
    results |= {"memory": memory, "operations": operations}
    for number in range(chosen.rounds):
        for operation in OPERATIONS:
            for name, client in clients.items():
                result = getattr(client, operation)(chosen.seconds)
                resident = machine.resident_bytes(client.system.pids)
                memory[name]["loaded"] = max(memory[name]["loaded"], resident)
                if result is None:
                    continue
                operations[operation].setdefault(name, []).append(result)
                say(f"round {number + 1}, {OPERATIONS[operation]}, {name}: {report.number(result['per_second'])}/s,"
                    f" p99 {report.number(result['p99_ms'])} ms")
    results["flood"] = {}
    for name in ("ours", "limit"):
        # Their sessions are the refreshes' in a flood.
        clients[name].login_under_load(chosen.seconds)
        results["flood"][name] = extras.flood(clients[name], chosen.rounds, chosen.seconds)
        say(f"refresh in a login flood, {name}: {results['flood'][name]}")
    results["start"] = {system.name: extras.starts(system, 1 + 2 * chosen.rounds) for system in systems}
    say(f"start to first 200: {results['start']}")
    return results


def keep(chosen, name, results, text, picture=None):
    chosen.output.mkdir(parents=True, exist_ok=True)
    (chosen.output / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
    (chosen.output / f"{name}.md").write_text(text)
    if picture:
        (chosen.output / f"{name}.svg").write_text(picture)
    print(text)


def main():
    chosen = arguments()
    folder = Path(tempfile.mkdtemp(prefix="benchmarks.", dir="/tmp"))
    # The postgres user has to be able to get in.
    folder.chmod(0o755)
    try:
        if "peers" in chosen.what:
            results = peers(chosen, folder)
            keep(chosen, "peers", results, report.markdown(results), report.svg(results))
        if "scale" in chosen.what:
            results = scale.curves(chosen, folder, say)
            keep(chosen, "scale", results, scale.markdown(results))
        if "instructions" in chosen.what and not instructions.run(folder, chosen.update, say):
            sys.exit(1)
    finally:
        Process.stop_all()
        shutil.rmtree(folder, ignore_errors=True)


main()
