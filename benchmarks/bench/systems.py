"""The systems that are measured, and the stores behind them: each a set of processes on free ports of 127.0.0.1."""

import glob
import http.client
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from . import machine

BENCHMARKS = Path(__file__).resolve().parent.parent
WORKSPACE = BENCHMARKS.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", WORKSPACE / "target"))
# Folder of the programs. benchmarks/run sets the profile.
PROGRAMS = TARGET / os.environ.get("BENCHMARK_PROFILE", "release")
VENV = TARGET / "simplejwt-venv"
PASSWORD = "correct horse battery"
# Longer than any run: what is measured is tokens that are good.
ACCESS_SECONDS = 7200
CORES = os.cpu_count()


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def call(port, method, path, body=None, authorization=None, content_type="application/json", timeout=30):
    """One request, on a connection of its own: the status, and the body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    headers = {"Content-Type": content_type} if body is not None else {}
    if authorization:
        headers["Authorization"] = authorization
    if body is not None and not isinstance(body, str):
        body = json.dumps(body)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


class Process:
    """A program that runs until it is stopped."""

    started = []

    def __init__(self, name, folder, command, env=None, user=None, stop_by=signal.SIGTERM):
        self.name, self.log, self.stop_by = name, folder / f"{name}.log", stop_by
        self.started.append(self)
        demote = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
        self.began = time.perf_counter()
        with self.log.open("a") as log:
            self.popen = subprocess.Popen(
                [str(part) for part in command],
                env={**os.environ, "RUST_LOG": "warn", **(env or {})},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=folder,
                **demote,
            )

    @property
    def pid(self):
        return self.popen.pid

    def until_ready(self, ready):
        """Waits until `ready()` is true, and says how many seconds after the start that was."""
        while True:
            if self.popen.poll() is not None:
                sys.exit(f"{self.name} has ended:\n{self.log.read_text()[-2000:]}")
            if time.perf_counter() - self.began > 60:
                sys.exit(f"{self.name} does not get ready:\n{self.log.read_text()[-2000:]}")
            try:
                if ready():
                    return time.perf_counter() - self.began
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.001)

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(self.stop_by)
            try:
                self.popen.wait(20)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()

    @classmethod
    def stop_all(cls):
        """Whoever needs another was started later."""
        for process in reversed(cls.started):
            process.stop()


class Stores:
    """A PostgreSQL and a Redis of their own, as they come: what is committed is on the disk."""

    def __init__(self, folder):
        self.folder = folder
        postgres_folder = folder / "postgres"
        postgres_folder.mkdir()
        # PostgreSQL does not run as root.
        user = "postgres" if os.geteuid() == 0 else None
        if user:
            shutil.chown(postgres_folder, user)
        folders = [os.environ.get("TEST_PG_BIN"), *sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]
        self.postgres_bin = Path(next(found for found in folders if found and Path(found, "postgres").exists()))
        initdb = Process(
            "initdb",
            folder,
            [self.postgres_bin / "initdb", "-D", postgres_folder, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"],
            user=user,
        )
        if initdb.popen.wait() != 0:
            sys.exit(f"initdb failed:\n{initdb.log.read_text()}")
        self.postgres_port, self.redis_port = free_port(), free_port()
        self.postgres = Process(
            "postgres",
            folder,
            [self.postgres_bin / "postgres", "-D", postgres_folder, "-p", self.postgres_port,
             "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={postgres_folder}", "-c", "max_connections=200"],
            user=user,
            stop_by=signal.SIGINT,  # which does not wait for clients
        )
        self.postgres.until_ready(self.postgres_is_ready)
        # On Debian the program is part of redis-tools, by another name.
        server = folder / "redis-server"
        server.symlink_to(shutil.which("redis-server") or shutil.which("redis-check-rdb"))
        self.redis = Process(
            "redis", folder, [server, "--port", self.redis_port, "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        )
        self.redis.until_ready(lambda: self.redis_cli("PING") == "PONG")

    def postgres_is_ready(self):
        asked = [self.postgres_bin / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.postgres_port)]
        return subprocess.run(asked).returncode == 0

    def psql(self, sql, database="postgres"):
        said = subprocess.run(
            [self.postgres_bin / "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", self.database_url(database), "-f", "-"],
            input=sql, capture_output=True, text=True,
        )
        if said.returncode != 0:
            raise RuntimeError(said.stderr)
        return said.stdout.strip()

    def redis_cli(self, *command):
        said = subprocess.run(["redis-cli", "-p", str(self.redis_port), *map(str, command)], capture_output=True, text=True)
        return said.stdout.strip()

    def redis_used_bytes(self):
        return int(next(
            line.split(":")[1] for line in self.redis_cli("INFO", "memory").splitlines() if line.startswith("used_memory:")
        ))

    def database_url(self, name):
        return f"postgres://postgres@127.0.0.1:{self.postgres_port}/{name}"

    @property
    def redis_url(self):
        return f"redis://127.0.0.1:{self.redis_port}/"

    def versions(self):
        return {
            "postgresql": machine.version(str(self.postgres_bin / "postgres"), "--version"),
            "redis": machine.version(str(self.folder / "redis-server"), "--version").split(" sha")[0],
        }

    @property
    def pids(self):
        return [self.postgres.pid, self.redis.pid]


class System:
    """What can be registered with, logged in to, and asked."""

    name = ""
    processes = ()

    @property
    def pids(self):
        return [process.pid for process in self.processes]

    def stop(self):
        for process in reversed(self.processes):
            process.stop()

    def port(self, _operation):
        return self.auth_port

    def registration(self, name):
        return {"username": name, "email": f"{name}@example.com", "password": PASSWORD}

    def restart(self):
        self.stop()
        return self.start()


class Ours(System):
    """auth-service and resource-service."""

    name = "ours"
    programs = PROGRAMS
    # A program that runs them, and what else it is told.
    under, extra_env = (), {}

    def __init__(self, stores, folder, cost):
        """Without stores: on the embedded ones."""
        self.folder = folder
        folder.mkdir()
        self.auth_port, self.resource_port = free_port(), free_port()
        issuer = f"http://127.0.0.1:{self.auth_port}"
        self.env = {
            "AUTH_ADDR": f"127.0.0.1:{self.auth_port}",
            "ISSUER": issuer,
            "DATA_DIR": str(folder / "data"),
            "SECRET_KEY_FILE": str(folder / "secret.key"),
            "ACCESS_TOKEN_LIFETIME": str(ACCESS_SECONDS),
            "BCRYPT_COST": str(cost),
            **self.extra_env,
        }
        if stores:
            stores.psql("CREATE DATABASE auth")
            self.env |= {"DATABASE_URL": stores.database_url("auth"), "REDIS_URL": stores.redis_url}
        self.command("generate-secret")
        self.command("migrate")
        secret_file = folder / "client-secret"
        self.command("clients", "create", "resource-service", "--scope", "revocations:read", "--secret-file", secret_file)
        self.client = ("resource-service", secret_file.read_text().strip())
        self.resource_env = {
            "RESOURCE_ADDR": f"127.0.0.1:{self.resource_port}",
            "ISSUER": issuer,
            "REVOCATIONS_CLIENT_ID": "resource-service",
            "REVOCATIONS_CLIENT_SECRET_FILE": str(secret_file),
            **self.extra_env,
        }

    def command(self, *arguments):
        subprocess.run(
            [self.programs / "auth-service", *arguments], env={**os.environ, "RUST_LOG": "warn", **self.env},
            check=True, stdout=subprocess.DEVNULL, cwd=self.folder,
        )

    def start(self):
        """Starts both services, and says how long each took until it answered, in seconds."""
        auth = Process("auth-service", self.folder, [*self.under, self.programs / "auth-service"], self.env)
        self.processes = [auth]
        auth_seconds = auth.until_ready(lambda: call(self.auth_port, "GET", "/readyz")[0] == 200)
        resource = Process("resource-service", self.folder, [*self.under, self.programs / "resource-service"], self.resource_env)
        self.processes = [auth, resource]
        return auth_seconds, resource.until_ready(lambda: call(self.resource_port, "GET", "/readyz")[0] == 200)

    def port(self, operation):
        return self.resource_port if operation.startswith("protected") else self.auth_port


class Limit(System):
    """A bare actix-web server: benchmarks/src/bin/limit-server."""

    name = "limit"

    def __init__(self, stores, folder, cost):
        self.folder = folder
        folder.mkdir()
        stores.psql("CREATE DATABASE limit_server")
        self.auth_port = free_port()
        self.client = ("resource-service", secrets.token_urlsafe(32))
        self.env = {
            "LIMIT_ADDR": f"127.0.0.1:{self.auth_port}",
            "DATABASE_URL": stores.database_url("limit_server"),
            "REDIS_URL": stores.redis_url,
            "BCRYPT_COST": str(cost),
            "CLIENT_SECRET": self.client[1],
            "HASH_THREADS": str(CORES),
            "WORKERS": str(CORES),
        }

    def start(self):
        server = Process("limit-server", self.folder, [PROGRAMS / "limit-server"], self.env)
        self.processes = [server]
        return (server.until_ready(lambda: call(self.auth_port, "GET", "/healthz")[0] == 200),)


class SimpleJwt(System):
    """Django REST framework with simplejwt: benchmarks/simplejwt."""

    name = "simplejwt"
    # How many workers, and how many threads in each: what is found best in a run, see extras.py.
    layout = (CORES + 1, 1)

    def __init__(self, stores, folder, cost):
        self.folder, self.cost = folder, cost
        folder.mkdir()
        stores.psql("CREATE DATABASE simplejwt")
        self.auth_port = free_port()
        self.client = None
        self.env = {
            "DATABASE_URL": stores.database_url("simplejwt"),
            "SECRET_KEY": secrets.token_urlsafe(48),
            "BCRYPT_COST": str(cost),
            "ACCESS_SECONDS": str(ACCESS_SECONDS),
            "PYTHONPATH": str(BENCHMARKS / "simplejwt"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        subprocess.run(
            [VENV / "bin/python", BENCHMARKS / "simplejwt/app.py", "migrate", "-v", "0"], env={**os.environ, **self.env}, check=True
        )

    def start(self):
        workers, threads = self.layout
        server = Process(
            "gunicorn", self.folder,
            [VENV / "bin/gunicorn", "app:application", "--bind", f"127.0.0.1:{self.auth_port}", "--workers", workers,
             "--threads", threads,
             "--log-level", "warning", "--backlog", "2048"],
            self.env,
        )
        self.processes = [server]
        return (server.until_ready(lambda: call(self.auth_port, "GET", "/healthz")[0] == 200),)
