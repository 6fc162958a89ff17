"""Sites of an attacker: pages on other origins than auth-service's."""

import contextlib
import http.server
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers every path with the page."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(self.server.page.encode())

    def log_message(self, *_):
        pass


def without_cookies(route):
    """Answers as the service does, to a browser that keeps no cookie."""
    answer = route.fetch(max_redirects=0)
    # Playwright has kept the cookie of the answer.
    route.request.frame.page.context.clear_cookies()
    headers = {name: value for name, value in answer.headers.items() if name != "set-cookie"}
    route.fulfill(response=answer, headers=headers)


@contextlib.contextmanager
def foreign_sites(page):
    """Serves a page at two origins, and yields them.

    `localhost` is another site than 127.0.0.1, so the browser sends no cookie with `SameSite`.
    127.0.0.1 with another port is another origin of the same site, so the browser sends cookies:
    only the check of the origin protects the user there.
    """
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.page = f"<!doctype html><title>Attacker</title><link rel=icon href=data:,>{page}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield [f"http://{host}:{server.server_port}" for host in ("localhost", "127.0.0.1")]
    finally:
        server.shutdown()
        server.server_close()
