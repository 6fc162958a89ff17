"""Servers that a test controls: an issuer, and a revocation feed."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from auth_verifier.testing import TestIssuer

VECTORS = Path(__file__).parents[2] / "vectors"

#: Maximum time until an expected state is reached, in seconds.
LIMIT = 15


def read_vectors(name: str) -> Any:
    return json.loads((VECTORS / name).read_text("ascii"))


def wait_until(what: str, condition: Callable[[], object], limit: float = LIMIT) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)


class HttpServer:
    """Serves answers that a test sets, by path, one request a connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        #: Status, headers and body by path.
        self.answers: dict[str, tuple[int, dict[str, str], str]] = {}
        #: The requests so far: the lines of each.
        self.requests: list[list[str]] = []
        #: Called before an answer, in the thread of the connection.
        self.before_answer: Callable[[str], None] = lambda path: None
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.close()

    def count(self, path: str) -> int:
        return sum(lines[0].split(" ")[1] == path for lines in list(self.requests))

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            lines = read_request(connection)
            path = lines[0].split(" ")[1]
            self.requests.append(lines)
            self.before_answer(path)
            status, headers, body = self.answers.get(path, (404, {}, ""))
            data = body.encode()
            headers = {"Content-Length": str(len(data)), "Connection": "close", **headers}
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            try:
                connection.sendall(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + data)
            except OSError:
                pass  # the verifier has closed the connection


def read_request(connection: socket.socket) -> list[str]:
    """Returns the lines of a request up to the blank line."""
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, f"the request ends early: {request!r}"
        request += byte
    return request.decode().split("\r\n")[:-2]


class IssuerServer(HttpServer):
    """An issuer over HTTP, with metadata and a JWKS at `/keys`."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens = TestIssuer(self.url)
        self.describe("/.well-known/oauth-authorization-server", self.url)
        self.publish(self.tokens.jwks())

    def describe(self, path: str, issuer: str) -> None:
        metadata = {"issuer": issuer, "jwks_uri": f"{self.url}/keys"}
        self.answers[path] = (200, {}, json.dumps(metadata))

    def publish(self, jwks: dict[str, Any]) -> None:
        self.answers["/keys"] = (200, {}, json.dumps(jwks))
