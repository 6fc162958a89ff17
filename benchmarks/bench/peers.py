"""Compares the services with the limit and with the peer, operation by operation."""

from . import extras, machine, report
from .operations import OPERATIONS, Client
from .stores import Stores
from .systems import Limit, Ours, SimpleJwt


def measure_peers(options, folder, log):
    stores = Stores(folder)
    systems = [
        Ours(stores, folder / "ours", options.cost),
        Limit(stores, folder / "limit", options.cost),
        SimpleJwt(stores, folder / "simplejwt", options.cost),
    ]
    clients = {system.name: Client(system, stores, system.folder) for system in systems}
    results = machine.conditions(options, stores)
    peer = clients["simplejwt"]
    log("gunicorn: measuring layouts")
    results["gunicorn"] = extras.choose_layout(peer, max(1, options.seconds // 2))
    log(f"gunicorn: {results['gunicorn']}")
    for system in systems:
        if system is not peer.system:
            system.start()
    results |= measure_operations(options, clients, log)
    results["flood"] = measure_floods(options, clients, log)
    results["start"] = {
        system.name: extras.measure_starts(system, 1 + 2 * options.rounds) for system in systems
    }
    log(f"start to first 200: {results['start']}")
    return results


def measure_operations(options, clients, log):
    """Measures each operation of each system in every round, and the memory after each."""
    memory = {}
    for name, client in clients.items():
        memory[name] = {"idle": machine.pss_bytes(client.system.pids), "loaded": 0}
    operations = {operation: {} for operation in OPERATIONS}
    for round_ in range(1, options.rounds + 1):
        for operation, title in OPERATIONS.items():
            for name, client in clients.items():
                result = getattr(client, operation)(options.seconds)
                used = machine.pss_bytes(client.system.pids)
                memory[name]["loaded"] = max(memory[name]["loaded"], used)
                if result is None:
                    continue
                operations[operation].setdefault(name, []).append(result)
                per_second = report.number(result["per_second"])
                p99 = report.number(result["p99_ms"])
                log(f"round {round_}, {title}, {name}: {per_second}/s, p99 {p99} ms")
    return {"memory": memory, "operations": operations}


def measure_floods(options, clients, log):
    results = {}
    for name in ("ours", "limit"):
        client = clients[name]
        # The refreshes during a flood use the sessions of these logins.
        client.login_under_load(options.seconds)
        results[name] = extras.flood(client, options.rounds, options.seconds)
        log(f"refresh in a login flood, {name}: {results[name]}")
    return results
