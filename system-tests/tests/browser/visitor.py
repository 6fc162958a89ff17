"""A visitor: a browser profile of its own, with a device, a language and colours."""

import functools
import json
import pathlib
import urllib.parse
from dataclasses import dataclass

ROOT = pathlib.Path(__file__).resolve().parents[3]
# Time in which a page must show what a scenario waits for, in milliseconds.
TIMEOUT = 15_000


@dataclass(frozen=True)
class Look:
    """How a visitor sees pages."""

    width: int = 1280
    height: int = 800
    scale: float = 1
    touch: bool = False
    language: str = "en"
    scheme: str = "light"
    script: bool = True
    forced_colors: bool = False

    def __str__(self):
        parts = [f"{self.width}x{self.height}", self.language, self.scheme]
        parts += ["" if self.script else "no script", "forced colors" if self.forced_colors else ""]
        return ", ".join(filter(None, parts))


DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844, "scale": 2, "touch": True}
# The narrowest screen of WCAG 2.2 (1.4.10), and a desktop whose user zooms to 400 %.
NARROW = {"width": 320, "height": 640, "scale": 2, "touch": True}
ZOOMED = {"width": 320, "height": 200, "scale": 4}


class Visitor:
    """A browser profile, and the errors that its pages log."""

    def __init__(self, world, look, logs_errors=False, **options):
        self.world = world
        self.look = look
        self.text = Texts(look.language)
        self.logs_errors = logs_errors
        self.errors = []
        self.context = world.browser.new_context(
            viewport={"width": look.width, "height": look.height},
            device_scale_factor=look.scale,
            has_touch=look.touch,
            is_mobile=look.touch,
            locale={"en": "en-GB", "de": "de-DE"}[look.language],
            color_scheme=look.scheme,
            forced_colors="active" if look.forced_colors else "none",
            **options,
        )
        self.context.set_default_timeout(TIMEOUT)
        self.context.on("console", self._on_console)
        self.context.on("weberror", lambda error: self.errors.append(str(error.error)))

    def _on_console(self, message):
        # The browser logs every answer of 400 and above. Scenarios assert those themselves.
        is_status = message.text.startswith("Failed to load resource")
        if message.type in ("error", "warning") and not is_status:
            self.errors.append(message.text)

    def check_console(self):
        """Fails if a page broke its own Content-Security-Policy, or a script failed."""
        assert self.logs_errors or not self.errors, f"{self.look}: {self.errors}"

    def open(self, address):
        """Opens a page in a new tab. `address` is a path of auth-service, or a URL."""
        page = self.context.new_page()
        self.cdp = self.context.new_cdp_session(page)
        if not self.look.script:
            self.cdp.send("Emulation.setScriptExecutionDisabled", {"value": True})
        return self.go(page, address)

    def go(self, page, address):
        url = address if address.startswith("http") else self.world.auth + address
        page.goto(url)
        return page

    def close(self):
        self.check_console()
        self.context.close()
        self.world.visitors.remove(self)

    def fetch(self, path):
        """Sends a GET with the visitor's cookies, without a page."""
        return self.context.request.get(self.world.auth + path)

    def allow_scripts(self, allowed):
        """Allows scripts for a moment, for a check of a page that ran none."""
        if not self.look.script:
            self.cdp.send("Emulation.setScriptExecutionDisabled", {"value": not allowed})

    @staticmethod
    def query(**parameters):
        return urllib.parse.urlencode(parameters)

    def mailed_code(self, to, template):
        """Returns the code of the last mail to this address that was made from a template."""
        file = ROOT / f"auth-service/templates/mail/{template}.{self.look.language}.txt"
        subject = file.read_text().splitlines()[0].removeprefix("Subject: ")
        return self.world.mailed_code(to, subject)

    # What a visitor does on the pages of auth-service.

    def sign_in(self, page, name, password, path="/sign-in"):
        self.go(page, path)
        page.get_by_label(self.text("name")).fill(name)
        page.get_by_label(self.text("password"), exact=True).fill(password)
        page.get_by_role("button", name=self.text("sign_in"), exact=True).click()
        return page

    def sign_out(self, page):
        self.go(page, "/sign-out")
        page.get_by_role("main").get_by_role("button", name=self.text("sign_out")).click()
        page.get_by_role("status").wait_for()


class Texts:
    """Texts of the pages, in the visitor's language."""

    def __init__(self, language):
        self.language = language

    @functools.cached_property
    def catalogue(self):
        file = ROOT / f"auth-service/templates/pages/texts.{self.language}.json"
        return json.loads(file.read_text())

    def __call__(self, key):
        return self.catalogue["texts"][key]

    def notice(self, key):
        return self.catalogue["notices"][key]

    def message(self, english):
        return self.catalogue["messages"][english]
