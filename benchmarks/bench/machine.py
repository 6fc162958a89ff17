"""The machine, and the CPU time and memory of processes on it."""

import datetime
import os
import platform
import subprocess
import time
from pathlib import Path

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def describe():
    """Returns the properties of the machine that matter for the figures."""
    cpu = proc_value("/proc/cpuinfo", "model name") or platform.machine()
    memory_kb = int(proc_value("/proc/meminfo", "MemTotal").split()[0])
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gb": round(memory_kb / 1e6),
        "kernel": platform.release(),
    }


def proc_value(file, name):
    """Returns the first value of a name in a file of /proc. `None` if the name is missing."""
    for line in Path(file).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def conditions(options, stores):
    """Returns the conditions under which the figures of a run are measured."""
    return {
        "date": datetime.date.today().isoformat(),
        "machine": describe(),
        "versions": {"wrk": version("wrk", "-v").split(" [")[0], **stores.versions()},
        "settings": {
            "cost": options.cost,
            "rounds": options.rounds,
            "seconds": options.seconds,
        },
    }


def version(*command):
    """Returns the first line that a program prints about its version."""
    completed = subprocess.run(command, capture_output=True, text=True)
    return (completed.stdout or completed.stderr).splitlines()[0].strip()


def with_descendants(pids):
    """Returns the ids of processes and of all their descendants."""
    for pid in pids:
        yield pid
        for thread in Path(f"/proc/{pid}/task").glob("*"):
            yield from with_descendants(map(int, read(thread / "children").split()))


def read(file):
    """Returns the content of a file of /proc, or an empty text if the process has ended."""
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def cpu_seconds(pids):
    """Returns the CPU time that processes and their descendants have used so far."""
    ticks = 0
    for pid in with_descendants(pids):
        fields = read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
        # User and system time, of the process and of its children that have ended.
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / CLOCK_TICKS


def pss_bytes(pids):
    """Returns the memory of processes and their descendants. Shared pages count once (PSS)."""
    total = 0
    for pid in with_descendants(pids):
        for line in read(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def wait_until_idle(pids):
    """Waits until processes have finished what the last load left, so that they do not slow
    down the next measurement."""
    before = cpu_seconds(pids)
    while True:
        time.sleep(0.1)
        now = cpu_seconds(pids)
        if now - before < 0.03:
            return
        before = now
