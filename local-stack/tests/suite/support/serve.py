"""Starts an app of Python on a free port, and prints its address.

serve.py gunicorn APP    two processes: the app is loaded before the fork
serve.py uvicorn APP     one process
"""

import os
import socket
import sys

server, app = sys.argv[1:]
listener = socket.create_server(("127.0.0.1", 0))
os.set_inheritable(listener.fileno(), True)
print(f"{app} listens on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
descriptor = str(listener.fileno())
arguments = {
    "gunicorn": [
        "--bind",
        f"fd://{descriptor}",
        "--preload",
        "--no-control-socket",
        "--threads",
        "4",
    ],
    "uvicorn": ["--fd", descriptor],
}
os.execv(sys.executable, [sys.executable, "-m", server, *arguments[server], app])
