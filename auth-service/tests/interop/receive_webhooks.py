"""Receives webhooks, and verifies them with the package standardwebhooks.

The first line of input is the secret. The program answers it with its port. It answers each further
line with the list of the messages so far: the verified body and the id, or the error.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Webhook, WebhookVerificationError

webhook = Webhook(sys.stdin.readline().strip())
received = []


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = dict(self.headers.items())
        try:
            message = webhook.verify(body, headers)
            message["id"] = self.headers["webhook-id"]
            status = 204
        except WebhookVerificationError as error:
            message = {"error": str(error)}
            status = 400
        received.append(message)
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
for _ in sys.stdin:
    print(json.dumps(received), flush=True)
