"""A WSGI application that trusts its proxy. Answers with what it knows of a request, as JSON.

Prints its port for each line of input. Ends with the input.
"""

import json
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server


def application(environment, start_response):
    length = int(environment.get("CONTENT_LENGTH") or 0)
    known = {
        "method": environment["REQUEST_METHOD"],
        "body_bytes": len(environment["wsgi.input"].read(length)),
        "auth": {
            name: value
            for name, value in environment.items()
            if name.startswith("HTTP_X_AUTH") and value
        },
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(known).encode()]


class SilentHandler(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


server = make_server("127.0.0.1", 0, application, handler_class=SilentHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
for line in sys.stdin:
    print(json.dumps(server.server_port), flush=True)
