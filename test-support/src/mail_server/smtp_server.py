"""An SMTP server for tests.

Each line of standard input is a command, answered with a line of JSON:

    port            the port of the server
    mails           the mails accepted so far
    count           the number of mails accepted so far
    ids             the Message-ID of each mail accepted so far
    fault NAME      how the server fails from now on: see `FAULTS`; `none` ends the faults
    struck          how often a fault has struck a client
    forget          the mails accepted so far are forgotten
    certificate CERTIFICATE KEY     what STARTTLS presents from now on
    full-port       a port at which the system completes no connection
"""

import asyncio
import email
import email.policy
import json
import socket
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

# The phases of a mail, in their order: `connect` is before the greeting, `data` answers the command
# DATA, `message` answers the final dot.
PHASES = ("connect", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "message", "quit")
# `hang-PHASE` never answers in this phase, `refuse-PHASE` answers 550, `drop-PHASE` closes the
# connection. `greylist` answers 451 to the first attempt for each recipient. `away` refuses
# connections.
FAULTS = {"none", "greylist", "away"} | {
    f"{kind}-{phase}" for kind in ("hang", "refuse", "drop") for phase in PHASES
}
# What `AUTH` accepts.
USER, PASSWORD = b"mailer", b"p@ss word"


class State:
    def __init__(self):
        self.fault = "none"
        self.envelopes = []
        self.greylisted = set()
        self.struck = 0
        # Without a certificate, a handshake fails.
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    async def strike(self, phase):
        """Hangs if the fault says so. Returns `drop` or `refuse` if the fault is of this phase."""
        kind, _, at = self.fault.partition("-")
        if at != phase:
            return None
        self.struck += 1
        if kind == "hang":
            await asyncio.Event().wait()
        return kind


class TestServer(SMTP):
    """Fails in the phases that a handler does not see."""

    async def fails(self, phase, refusal="550 refused"):
        kind = await self.event_handler.state.strike(phase)
        if kind == "drop":
            self.transport.close()
        if kind == "refuse":
            await self.push(refusal)
        return kind is not None

    async def _handle_client(self):
        if await self.fails("connect", "554 no service"):
            self.transport.close()
            return
        await super()._handle_client()

    async def smtp_EHLO(self, hostname):
        if not await self.fails("ehlo"):
            await super().smtp_EHLO(hostname)

    async def smtp_STARTTLS(self, arg):
        if not await self.fails("starttls"):
            await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg):
        if not await self.fails("auth"):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg):
        if not await self.fails("mail"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg):
        if not await self.fails("rcpt"):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg):
        if not await self.fails("data"):
            await super().smtp_DATA(arg)

    async def smtp_QUIT(self, arg):
        if not await self.fails("quit"):
            await super().smtp_QUIT(arg)


class Handler:
    def __init__(self, state):
        self.state = state

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.state.fault == "greylist" and address not in self.state.greylisted:
            self.state.greylisted.add(address)
            self.state.struck += 1
            return "451 try again later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        kind = await self.state.strike("message")
        if kind == "drop":
            server.transport.close()
            return "421 closed"
        if kind == "refuse":
            return "550 refused"
        self.state.envelopes.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 OK"


def authenticate(server, session, envelope, mechanism, credentials):
    is_right = (credentials.login, credentials.password) == (USER, PASSWORD)
    return AuthResult(success=is_right, handled=False)


def parsed(envelope):
    mail_from, rcpt_tos, content = envelope
    message = email.message_from_bytes(content, policy=email.policy.default)

    def part(kind):
        body = message.get_body(preferencelist=(kind,))
        return body.get_content() if body else None

    return {
        "from": mail_from,
        "to": rcpt_tos,
        "subject": message["Subject"],
        "message_id": message["Message-ID"],
        "headers": {name: str(value) for name, value in message.items()},
        "names": [name for name, _ in message.items()],
        "raw": content.decode("utf-8", "replace"),
        "text": part("plain"),
        "html": part("html"),
    }


def message_id(envelope):
    headers = email.message_from_bytes(envelope[2].partition(b"\r\n\r\n")[0])
    return headers["Message-ID"]


def full_port():
    """Returns a port whose queue of connections is full, and the sockets that keep it so."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    sockets = [listener]
    while True:
        client = socket.socket()
        client.settimeout(0.2)
        sockets.append(client)
        try:
            client.connect(listener.getsockname())
        except TimeoutError:
            return listener.getsockname()[1], sockets


class Server:
    def __init__(self, state):
        self.state = state
        self.port = 0
        self.server = None

    def session(self):
        return TestServer(
            Handler(self.state),
            hostname="mail.test",
            enable_SMTPUTF8=True,
            tls_context=self.state.tls,
            authenticator=authenticate,
            auth_require_tls=False,
        )

    async def listen(self):
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(self.session, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def set_fault(self, name):
        self.state.fault = name
        if name == "away" and self.server:
            self.server.close()
            self.server = None
        if name != "away" and not self.server:
            await self.listen()


async def commands(state, server):
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    held = []
    while line := (await reader.readline()).decode().strip():
        name, _, argument = line.partition(" ")
        answer = None
        if name == "port":
            answer = server.port
        elif name == "mails":
            answer = [parsed(envelope) for envelope in state.envelopes]
        elif name == "count":
            answer = len(state.envelopes)
        elif name == "ids":
            answer = [message_id(envelope) for envelope in state.envelopes]
        elif name == "struck":
            answer = state.struck
        elif name == "certificate":
            state.tls.load_cert_chain(*argument.split(" "))
        elif name == "forget":
            state.envelopes = []
        elif name == "fault" and argument in FAULTS:
            await server.set_fault(argument)
        elif name == "full-port":
            answer, sockets = full_port()
            held.extend(sockets)
        else:
            sys.exit(f"unknown command: {line}")
        print(json.dumps(answer), flush=True)


async def main():
    state = State()
    server = Server(state)
    await server.listen()
    await commands(state, server)


asyncio.run(main())
