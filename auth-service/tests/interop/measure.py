"""Runs a command, and prints its exit code, its time in seconds, and its peak of memory in KiB."""

import json
import resource
import subprocess
import sys
import time

begun = time.monotonic()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, env={}).returncode
seconds = round(time.monotonic() - begun, 1)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps({"code": code, "seconds": seconds, "peak_kib": peak}))
