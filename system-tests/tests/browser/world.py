"""The services under test, and the visitors who open their pages."""

import email
import email.policy
import json
import os
import pathlib
import time
import urllib.request
import uuid

from visitor import Look, Visitor

PASSWORD = "correct horse battery"


def launch(playwright, program):
    """Starts the browser."""
    # In a container, /dev/shm is small. Chromium's sandbox refuses to run as root.
    arguments = ["--disable-dev-shm-usage"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")
    return playwright.chromium.launch(executable_path=program, args=arguments)


class World:
    """Addresses of the services, and the visitors of the scenario that runs."""

    def __init__(self, browser, given):
        self.browser = browser
        self.auth = given["auth"]
        self.resource = given["resource"]
        self.app = given["app"]
        self.mails = pathlib.Path(given["mails"])
        self.all_looks = given.get("all_looks", False)
        self.visitors = []

    def visitor(self, look=Look(), **options):
        """Opens a browser profile of its own: no cookie is shared with another visitor."""
        visitor = Visitor(self, look, **options)
        self.visitors.append(visitor)
        return visitor

    def check_visitors(self):
        for visitor in self.visitors:
            visitor.check_console()

    def close_visitors(self):
        for visitor in self.visitors:
            visitor.context.close()
        self.visitors.clear()

    def describe_pages(self):
        """Returns the address and the text of each open page, for the message of a failure."""
        pages = [page for visitor in self.visitors for page in visitor.context.pages]
        return "\n".join(dict.fromkeys(describe(page) for page in pages))

    def post(self, path, body, language="en"):
        """Sends a request to auth-service as a program, without a browser."""
        head = {"Content-Type": "application/json", "Accept-Language": language}
        request = urllib.request.Request(self.auth + path, json.dumps(body).encode(), head)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or "null")

    def new_user(self, name="ada", language="en"):
        """Registers a user whose name begins like this, without a browser. Returns the name."""
        name = unique(name)
        self.new_user_named(name, address_of(name), language)
        return name

    def new_user_named(self, name, address, language="en"):
        user = {"username": name, "email": address, "password": PASSWORD}
        self.post("/register", user, language)

    def mailed_code(self, to, subject):
        """Waits for a mail to this address with this subject. Returns the code in the last one."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            files = sorted(self.mails.glob("*.eml"), key=lambda it: it.stat().st_mtime_ns)
            for file in reversed(files):
                mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
                if to in mail["To"] and mail["Subject"] == subject:
                    words = mail.get_body(("plain",)).get_content().split()
                    return next(word for word in words if len(word) == 14 and word.count("-") == 2)
            time.sleep(0.02)
        raise AssertionError(f"no mail to {to}: {subject}")


def describe(page):
    try:
        text = page.locator("body").inner_text(timeout=1000)
    except Exception as error:
        text = f"no text: {error}"
    return f"--- {page.url}\n{text}\n"


def unique(name):
    return f"{name}{uuid.uuid4().hex[:8]}"


def address_of(name):
    return f"{name}@example.com"
