"""What this machine is, and what a process costs it."""

import datetime
import os
import platform
import subprocess
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def describe():
    """The machine, as far as it matters for the figures."""
    model = next(
        (line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    memory = next(line.split()[1] for line in Path("/proc/meminfo").read_text().splitlines() if "MemTotal" in line)
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(int(memory) / 1e6),
        "kernel": platform.release(),
    }


def facts(chosen, stores):
    """All that one needs to know to compare figures."""
    return {
        "date": datetime.date.today().isoformat(),
        "machine": describe(),
        "versions": {"wrk": version("wrk", "-v").split(" [")[0], **stores.versions()},
        "settings": {"cost": chosen.cost, "rounds": chosen.rounds, "seconds": chosen.seconds},
    }


def version(*command):
    """The first line that a program says of itself."""
    said = subprocess.run(command, capture_output=True, text=True)
    return (said.stdout or said.stderr).splitlines()[0].strip()


def tree(pid):
    """A process and all that it has started."""
    pids = [pid]
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        for child in read(thread / "children").split():
            pids += tree(int(child))
    return pids


def read(file):
    """A file of /proc: empty, if its process has ended."""
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def cpu_seconds(pids):
    """What these processes and their children have used of a core so far."""
    total = 0
    for pid in pids:
        for member in tree(pid):
            fields = read(Path(f"/proc/{member}/stat")).rpartition(")")[2].split()
            # User and system time, and that of children who have ended.
            total += sum(int(field) for field in fields[11:15])
    return total / TICKS


def resident_bytes(pids):
    """What these processes and their children have in memory; what several share is counted once (PSS)."""
    total = 0
    for pid in pids:
        for member in tree(pid):
            for line in read(Path(f"/proc/{member}/smaps_rollup")).splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total


def until_idle(pids):
    """Waits until a system has done what it was still asked for when its load went away: whoever is measured next is alone."""
    before = cpu_seconds(pids)
    while True:
        time.sleep(0.1)
        now = cpu_seconds(pids)
        if now - before < 0.03:
            return
        before = now
