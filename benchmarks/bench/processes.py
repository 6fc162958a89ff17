"""Child processes that listen on free ports of 127.0.0.1, and requests to them."""

import http.client
import os
import pwd
import signal
import socket
import subprocess
import sys
import time

START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 20


def free_port():
    """Returns a port that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def call(port, method, path, body=None, authorization=None, content_type="application/json"):
    """Sends one request on a new connection. Returns the status and the body."""
    headers = {"Content-Type": content_type} if body is not None else {}
    if authorization:
        headers["Authorization"] = authorization
    return call_with_headers(port, method, path, body, headers)[:2]


def call_with_headers(port, method, path, body, headers):
    """Sends one request on a new connection. Returns the status, the body and the headers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers
    finally:
        connection.close()


def answers_ok(port, path):
    """Returns whether a GET request is answered with 200."""
    return call(port, "GET", path)[0] == 200


class Process:
    """A program that runs until it is stopped."""

    all_started = []

    def __init__(self, name, folder, command, env=None, user=None, stop_signal=signal.SIGTERM):
        self.name = name
        self.log_file = folder / f"{name}.log"
        self.stop_signal = stop_signal
        self.all_started.append(self)
        user_options = {}
        if user:
            group = pwd.getpwnam(user).pw_gid
            user_options = {"user": user, "group": group, "extra_groups": []}
        self.started_at = time.perf_counter()
        with self.log_file.open("a") as log:
            self.popen = subprocess.Popen(
                [str(part) for part in command],
                env={**os.environ, "RUST_LOG": "warn", **(env or {})},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                **user_options,
            )

    @property
    def pid(self):
        return self.popen.pid

    def wait_until_ready(self, is_ready):
        """Waits until `is_ready()` is true. Returns the seconds since the process started."""
        while True:
            if self.popen.poll() is not None:
                sys.exit(f"{self.name} exited:\n{self.last_log()}")
            if time.perf_counter() - self.started_at > START_TIMEOUT_SECONDS:
                sys.exit(f"{self.name} is not ready in time:\n{self.last_log()}")
            try:
                if is_ready():
                    return time.perf_counter() - self.started_at
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.001)

    def last_log(self):
        return self.log_file.read_text()[-2000:]

    def stop(self):
        if self.popen.poll() is not None:
            return
        self.popen.send_signal(self.stop_signal)
        try:
            self.popen.wait(STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()

    @classmethod
    def stop_all(cls):
        """Stops all processes, the newest first: a process may need older ones."""
        for process in reversed(cls.all_started):
            process.stop()
