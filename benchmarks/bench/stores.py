"""PostgreSQL and Redis for a run."""

import glob
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from . import machine
from .processes import Process, free_port


class Stores:
    """A private PostgreSQL and a private Redis with default settings: a commit is on the disk."""

    def __init__(self, folder):
        self.folder = folder
        self.postgres_port = free_port()
        self.redis_port = free_port()
        self.start_postgres()
        self.start_redis()

    def start_postgres(self):
        data = self.folder / "postgres"
        data.mkdir()
        # PostgreSQL refuses to run as root.
        user = "postgres" if os.geteuid() == 0 else None
        if user:
            shutil.chown(data, user)
        self.postgres_bin = find_postgres_bin()
        initdb_options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8"]
        command = [self.postgres_bin / "initdb", "-D", data, *initdb_options]
        initdb = Process("initdb", self.folder, command, user=user)
        if initdb.popen.wait() != 0:
            sys.exit(f"initdb failed:\n{initdb.last_log()}")
        settings = [
            "-c", "listen_addresses=127.0.0.1",
            "-c", f"unix_socket_directories={data}",
            "-c", "max_connections=200",
        ]
        server = self.postgres_bin / "postgres"
        command = [server, "-D", data, "-p", self.postgres_port, *settings]
        # SIGINT: PostgreSQL does not wait for its clients.
        self.postgres = Process("postgres", self.folder, command, None, user, signal.SIGINT)
        self.postgres.wait_until_ready(self.postgres_is_ready)

    def start_redis(self):
        # In Debian's redis-tools the server is called redis-check-rdb.
        server = self.folder / "redis-server"
        server.symlink_to(shutil.which("redis-server") or shutil.which("redis-check-rdb"))
        address = ["--port", self.redis_port, "--bind", "127.0.0.1"]
        command = [server, *address, "--save", "", "--dir", self.folder]
        self.redis = Process("redis", self.folder, command)
        self.redis.wait_until_ready(lambda: self.redis_cli("PING") == "PONG")

    def postgres_is_ready(self):
        address = ["-h", "127.0.0.1", "-p", str(self.postgres_port)]
        return subprocess.run([self.postgres_bin / "pg_isready", "-q", *address]).returncode == 0

    def psql(self, sql, database="postgres"):
        url = self.database_url(database)
        options = ["-XAtq", "-v", "ON_ERROR_STOP=1", url, "-f", "-"]
        command = [self.postgres_bin / "psql", *options]
        completed = subprocess.run(command, input=sql, capture_output=True, text=True)
        if completed.returncode != 0:
            raise RuntimeError(completed.stderr)
        return completed.stdout.strip()

    def redis_cli(self, *arguments):
        command = ["redis-cli", "-p", str(self.redis_port), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    def redis_used_bytes(self):
        for line in self.redis_cli("INFO", "memory").splitlines():
            name, _, value = line.partition(":")
            if name == "used_memory":
                return int(value)
        raise RuntimeError("Redis does not report its used memory")

    def database_url(self, name):
        return f"postgres://postgres@127.0.0.1:{self.postgres_port}/{name}"

    @property
    def redis_url(self):
        return f"redis://127.0.0.1:{self.redis_port}/"

    @property
    def pids(self):
        return [self.postgres.pid, self.redis.pid]

    def versions(self):
        redis = machine.version(str(self.folder / "redis-server"), "--version")
        return {
            "postgresql": machine.version(str(self.postgres_bin / "postgres"), "--version"),
            "redis": redis.split(" sha")[0],
        }


def find_postgres_bin():
    """Returns the folder of PostgreSQL's programs, of the newest version if there are several."""
    installed = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    for folder in [os.environ.get("TEST_PG_BIN"), *installed]:
        if folder and Path(folder, "postgres").exists():
            return Path(folder)
    sys.exit("PostgreSQL is not installed")
