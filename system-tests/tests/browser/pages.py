"""Every page: on desktop and phone, with and without JavaScript, in both languages and schemes."""

import itertools
import sys

from checks import check_page, check_size
from tour import Tour
from visitor import DESKTOP, NARROW, PHONE, ZOOMED, Look
from world import PASSWORD

# Each pair of device (desktop or phone), language, scheme and script occurs in one of these. The
# smallest screens occur once. TEST_LONG=1 takes all combinations.
LOOKS = [
    Look(**DESKTOP, language="en", scheme="light", script=True),
    Look(**PHONE, language="de", scheme="light", script=False),
    Look(**NARROW, language="de", scheme="dark", script=True),
    Look(**ZOOMED, language="en", scheme="dark", script=False),
    Look(**DESKTOP, language="de", scheme="dark", script=False),
    Look(**PHONE, language="en", scheme="dark", script=True),
]
ALL_LOOKS = [
    Look(**device, language=language, scheme=scheme, script=script)
    for device, language, scheme, script in itertools.product(
        (DESKTOP, PHONE, NARROW, ZOOMED), ("en", "de"), ("light", "dark"), (True, False)
    )
]

# What the tour looks at, in its order.
PAGES = [
    "sign-up", "sign-up-with-errors", "verify", "verify-with-notice", "account", "profile", "email",
    "change-email", "password", "password-with-errors", "sessions", "export", "confirm", "sign-out",
    "sign-in", "sign-in-with-errors", "forgot", "reset", "delete", "delete-account",
    "undo-email-change",
]  # fmt: skip


def every_page_is_accessible_for_every_visitor(world):
    for look in ALL_LOOKS if world.all_looks else LOOKS:
        visitor = world.visitor(look)
        seen = []

        def look_at(name, page, visitor=visitor, seen=seen):
            check_page(visitor, page)
            seen.append(name)

        Tour(visitor, look_at).take()
        assert seen == PAGES, seen
        visitor.close()


def pages_are_usable_in_forced_colors(world):
    visitor = world.visitor(Look(forced_colors=True))
    page = visitor.open("/sign-in")
    check_page(visitor, page)
    # A button without a border is not to be told from text there.
    button = page.get_by_role("button").first
    border = button.evaluate("node => getComputedStyle(node).borderTopStyle")
    assert border == "solid", border


def pages_are_operated_with_the_keyboard_alone(world):
    name = world.new_user()
    visitor = world.visitor()
    page = visitor.open("/sign-in")
    tab_to(page, page.get_by_label(visitor.text("name")))
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/account")
    profile = page.get_by_role("link", name=visitor.text("profile_title"))
    tab_to(page, profile)
    outline = profile.evaluate("node => getComputedStyle(node).outlineStyle")
    assert outline == "solid", f"the focus is not visible: {outline}"
    page.keyboard.press("Enter")
    page.wait_for_url("**/account/profile")


def tab_to(page, element):
    """Presses the tab key until the element has the focus."""
    for _ in range(30):
        if element.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {element}")


def an_error_gets_the_focus_and_names_its_field(world):
    visitor = world.visitor()
    page = visitor.open("/sign-up")
    page.get_by_label(visitor.text("email")).fill("no address")
    page.get_by_role("button", name=visitor.text("sign_up"), exact=True).click()
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert alert.evaluate("node => node === document.activeElement")
    field = page.get_by_label(visitor.text("email"))
    described = field.evaluate(
        "node => node.getAttribute('aria-describedby').split(' ')"
        ".map((id) => document.getElementById(id).textContent).join(' ')"
    )
    assert visitor.text.message("Enter a valid email address.") in described, described
    assert field.input_value() == "no address"


def every_page_with_its_stylesheet_is_small(world):
    name = world.new_user()
    visitor = world.visitor()
    page = visitor.open("/sign-in")
    paths = ["/sign-up", "/sign-in", "/verify", "/forgot", "/reset", "/undo-email-change"]
    sizes = [check_size(visitor, path) for path in paths]
    visitor.sign_in(page, name, PASSWORD)
    page.wait_for_url("**/account")
    parts = ["profile", "email", "password", "sessions", "export", "delete"]
    sizes += [check_size(visitor, path) for path in ["/account", "/sign-out"]]
    sizes += [check_size(visitor, f"/account/{part}") for part in parts]
    print(f"largest page with its stylesheet: {max(sizes)} bytes", file=sys.stderr)


def password_managers_can_fill_the_forms(world):
    name = world.new_user()
    visitor = world.visitor()
    page = visitor.open("/sign-in")
    assert fields(page) == ["username", "current-password"]
    assert fields(visitor.go(page, "/sign-up")) == ["email", "username", "new-password"]
    assert fields(visitor.go(page, "/reset")) == ["username", "one-time-code", "new-password"]
    visitor.sign_in(page, name, PASSWORD)
    page.wait_for_url("**/account")
    visitor.go(page, "/.well-known/change-password")
    assert page.url.endswith("/account/password")
    assert fields(page) == ["username", "current-password", "new-password"]
    assert page.locator("form").count() == 1


def fields(page):
    inputs = page.locator("form input:not([type=hidden])")
    return inputs.evaluate_all("nodes => nodes.map((node) => node.autocomplete)")


SCENARIOS = [
    every_page_is_accessible_for_every_visitor,
    pages_are_usable_in_forced_colors,
    pages_are_operated_with_the_keyboard_alone,
    an_error_gets_the_focus_and_names_its_field,
    every_page_with_its_stylesheet_is_small,
    password_managers_can_fill_the_forms,
]
