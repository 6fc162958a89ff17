"""The systems under test: the services, the limit, and the peer."""

import os
import secrets
import subprocess
from pathlib import Path

from .processes import Process, answers_ok, free_port

BENCHMARKS = Path(__file__).resolve().parent.parent
WORKSPACE = BENCHMARKS.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", WORKSPACE / "target"))
# Folder of auth-service and resource-service.
PROGRAMS = Path(os.environ.get("BENCHMARK_PROGRAMS", TARGET / "release"))
VENV = TARGET / "simplejwt-venv"
PASSWORD = "correct horse battery"
# Longer than a run, so that no token expires during a measurement.
ACCESS_SECONDS = 7200
CORES = os.cpu_count()
CLIENT_ID = "resource-service"


class System:
    """One or more server processes with the routes that the operations call."""

    name = ""
    # The id and the secret of a client for introspection. `None` if the system has none.
    client = None
    # The path at which a cookie refreshes. `None` if the system has no cookie sessions.
    cookie_refresh_path = None
    has_pages = False

    def __init__(self, folder):
        folder.mkdir()
        self.folder = folder
        self.auth_port = free_port()
        self.processes = []

    @property
    def pids(self):
        return [process.pid for process in self.processes]

    def start(self):
        """Starts the processes. Returns the seconds until the first answer of each."""
        raise NotImplementedError

    def stop(self):
        for process in reversed(self.processes):
            process.stop()

    def restart(self):
        self.stop()
        return self.start()

    def port(self, _operation):
        """Returns the port of the process that serves an operation."""
        return self.auth_port

    def registration(self, name):
        return {"username": name, "email": f"{name}@example.com", "password": PASSWORD}


class Ours(System):
    """auth-service and resource-service."""

    name = "ours"
    cookie_refresh_path = "/token/refresh"
    has_pages = True
    programs = PROGRAMS
    # A command that runs the services, and settings for both services.
    wrapper = ()
    extra_env = {}

    def __init__(self, stores, folder, cost):
        """Sets the services up on `stores`, or on the embedded stores if that is `None`."""
        super().__init__(folder)
        self.resource_port = free_port()
        issuer = f"http://127.0.0.1:{self.auth_port}"
        self.auth_env = {
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
            self.auth_env["DATABASE_URL"] = stores.database_url("auth")
            self.auth_env["REDIS_URL"] = stores.redis_url
        self.run_command("generate-secret")
        self.run_command("migrate")
        secret_file = self.create_client()
        self.client = (CLIENT_ID, secret_file.read_text().strip())
        self.resource_env = {
            "RESOURCE_ADDR": f"127.0.0.1:{self.resource_port}",
            "ISSUER": issuer,
            "REVOCATIONS_CLIENT_ID": CLIENT_ID,
            "REVOCATIONS_CLIENT_SECRET_FILE": str(secret_file),
            **self.extra_env,
        }

    def create_client(self):
        secret_file = self.folder / "client-secret"
        options = ["--scope", "revocations:read", "--secret-file", secret_file]
        self.run_command("clients", "create", CLIENT_ID, *options)
        return secret_file

    def run_command(self, *arguments):
        command = [self.programs / "auth-service", *arguments]
        env = {**os.environ, "RUST_LOG": "warn", **self.auth_env}
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL, cwd=self.folder)

    def start(self):
        self.processes = []
        auth_seconds = self.start_service("auth-service", self.auth_env, self.auth_port)
        resource_seconds = self.start_service(
            "resource-service", self.resource_env, self.resource_port
        )
        return auth_seconds, resource_seconds

    def start_service(self, name, env, port):
        process = Process(name, self.folder, [*self.wrapper, self.programs / name], env)
        self.processes.append(process)
        return process.wait_until_ready(lambda: answers_ok(port, "/readyz"))

    def port(self, operation):
        return self.resource_port if operation.startswith("protected") else self.auth_port


class Limit(System):
    """The minimal server: benchmarks/src/bin/limit-server."""

    name = "limit"
    cookie_refresh_path = "/token/refresh/cookie"

    def __init__(self, stores, folder, cost):
        super().__init__(folder)
        stores.psql("CREATE DATABASE limit_server")
        self.client = (CLIENT_ID, secrets.token_urlsafe(32))
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
        server = Process("limit-server", self.folder, [TARGET / "release/limit-server"], self.env)
        self.processes = [server]
        return (server.wait_until_ready(lambda: answers_ok(self.auth_port, "/healthz")),)


class SimpleJwt(System):
    """The peer, Django REST framework with simplejwt: benchmarks/simplejwt."""

    name = "simplejwt"
    # The number of workers and of threads in each worker. `extras.choose_layout` sets it.
    layout = (CORES + 1, 1)

    def __init__(self, stores, folder, cost):
        super().__init__(folder)
        stores.psql("CREATE DATABASE simplejwt")
        self.env = {
            "DATABASE_URL": stores.database_url("simplejwt"),
            "SECRET_KEY": secrets.token_urlsafe(48),
            "BCRYPT_COST": str(cost),
            "ACCESS_SECONDS": str(ACCESS_SECONDS),
            "PYTHONPATH": str(BENCHMARKS / "simplejwt"),
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        app = BENCHMARKS / "simplejwt/app.py"
        command = [VENV / "bin/python", app, "migrate", "-v", "0"]
        subprocess.run(command, env={**os.environ, **self.env}, check=True)

    def start(self):
        workers, threads = self.layout
        options = [
            "--bind", f"127.0.0.1:{self.auth_port}",
            "--workers", workers,
            "--threads", threads,
            "--log-level", "warning",
            "--backlog", "2048",
        ]
        command = [VENV / "bin/gunicorn", "app:application", *options]
        server = Process("gunicorn", self.folder, command, self.env)
        self.processes = [server]
        return (server.wait_until_ready(lambda: answers_ok(self.auth_port, "/healthz")),)
