"""Sessions in the browser: what stays private, tabs, and users who share a browser."""

import random

from checks import check_page
from foreign import without_cookies
from members import assert_signed_in, member
from visitor import Look
from world import PASSWORD, address_of, unique

# Sends refreshes with the cookie from a page of the app. Returns their statuses.
REFRESH = """async ([auth, count]) => {
    const options = { method: 'POST', credentials: 'include' };
    const refresh = () => fetch(`${auth}/token/refresh`, options);
    const answers = await Promise.all(Array.from({ length: count }, refresh));
    return answers.map((answer) => answer.status);
}"""


def back_button_after_signing_out_shows_nothing_private(world):
    for script in (True, False):
        visitor, page, name = member(world, look=Look(script=script))
        visitor.go(page, "/account/email")
        visitor.go(page, "/account/profile")
        visitor.sign_out(page)
        leads = []
        for _ in range(4):
            page.go_back()
            leads.append(page.url)
            assert name not in page.content(), f"{page.url} shows the user who signed out"
        # The browser has asked for the pages again.
        for path in ("profile", "email"):
            query = visitor.query(return_to=f"/account/{path}")
            assert f"{world.auth}/sign-in?{query}" in leads, leads


def send_twice(page, path, button):
    """Sends a form, and sends it again because the answer to the first is lost."""
    statuses = []

    def lose_answer(route):
        statuses.append(route.fetch(max_redirects=0).status)
        route.abort("aborted")

    page.route(f"**{path}", lose_answer, times=1)
    with page.expect_event("requestfailed"):
        button.click(no_wait_after=True)
    with page.expect_response(f"**{path}") as second:
        button.click()
    statuses.append(second.value.status)
    assert statuses == [303, 303], statuses


def a_form_that_is_sent_twice_works_once(world):
    name = unique("ada")
    visitor = world.visitor()
    page = visitor.open("/sign-up")
    page.get_by_label(visitor.text("email")).fill(address_of(name))
    page.get_by_label(visitor.text("username")).fill(name)
    page.get_by_label(visitor.text("new_password")).fill(PASSWORD)
    button = page.get_by_role("button", name=visitor.text("sign_up"), exact=True)
    send_twice(page, "/sign-up", button)
    page.wait_for_url("**/account")
    assert_signed_in(visitor, page, name)
    # A reload sends no form again: the answer to a form is a redirection.
    page.reload()
    assert page.get_by_role("alert").count() == 0


def a_sign_in_that_is_sent_twice_signs_in(world):
    name = world.new_user()
    visitor = world.visitor()
    page = visitor.open("/sign-in")
    page.get_by_label(visitor.text("name")).fill(name)
    page.get_by_label(visitor.text("password"), exact=True).fill(PASSWORD)
    button = page.get_by_role("button", name=visitor.text("sign_in"), exact=True)
    send_twice(page, "/sign-in", button)
    page.wait_for_url("**/account")
    assert_signed_in(visitor, page, name)


def a_form_of_another_user_is_refused(world):
    visitor, first, ada = member(world)
    visitor.go(first, "/account/profile")
    second = visitor.open("/sign-out")
    visitor.sign_out(second)
    grace = world.new_user("grace")
    visitor.sign_in(second, grace, PASSWORD)
    second.wait_for_url("**/account")
    # The first tab still shows the form of the first user.
    first.get_by_label(visitor.text("username")).fill(unique("mallory"))
    first.get_by_role("button", name=visitor.text("save")).click()
    first.get_by_role("heading", name=visitor.text("other_user_title")).wait_for()
    check_page(visitor, first)
    assert_signed_in(visitor, first, grace)
    assert ada not in first.content()


def two_browsers_hold_two_users(world):
    (one, page_of_one, ada), (two, page_of_two, grace) = member(world), member(world)
    assert_signed_in(one, page_of_one, ada)
    assert_signed_in(two, page_of_two, grace)


def ten_tabs_refresh_at_once_until_one_signs_out(world):
    visitor, first, _ = member(world)
    visitor.go(first, "/sign-out")
    # A document of the app's origin that sends nothing by itself.
    tabs = [visitor.open(world.app + "/style.css") for _ in range(10)]
    begin = f"given => {{ window.statuses = ({REFRESH})(given); }}"
    for tab in tabs:
        tab.evaluate(begin, [world.auth, 3])
    for tab in tabs:
        assert tab.evaluate("() => window.statuses") == [200] * 3
    # While one tab signs out, a refresh of another is answered or refused, and never fails.
    for tab in tabs:
        tab.evaluate(begin, [world.auth, 5])
    first.get_by_role("main").get_by_role("button", name=visitor.text("sign_out")).click()
    first.get_by_role("status").wait_for()
    for tab in tabs:
        statuses = tab.evaluate("() => window.statuses")
        assert set(statuses) <= {200, 400, 401}, statuses
    # 401 while the browser still has the cookie, 400 without it.
    for tab in tabs:
        assert tab.evaluate(REFRESH, [world.auth, 1]) == [400]


def a_browser_without_cookies_gets_a_clear_message(world):
    name = world.new_user()
    visitor = world.visitor()
    page = visitor.context.new_page()
    page.route("**/sign-in", without_cookies)
    visitor.sign_in(page, name, PASSWORD)
    page.get_by_role("alert").filter(has_text=visitor.text("cookies_off_text")).wait_for()


def a_session_that_ends_elsewhere_ends_here(world):
    visitor, page, name = member(world)
    other = world.visitor()
    tab = other.open("/sign-in")
    other.sign_in(tab, name, PASSWORD)
    tab.wait_for_url("**/account")
    other.go(tab, "/account/sessions")
    tab.get_by_role("button", name=other.text("sessions_end_others")).click()
    tab.get_by_role("status").wait_for()
    page.reload()
    page.wait_for_url("**/sign-in?**")
    assert_signed_in(other, tab, name)


def names_are_text_and_never_markup(world):
    markup = '<img src=x onerror="window.broken=1">'
    visitor = world.visitor()
    page = visitor.open("/sign-up")
    page.get_by_label(visitor.text("username")).fill(markup)
    page.get_by_label(visitor.text("email")).fill(f"{markup}@example.com")
    page.get_by_role("button", name=visitor.text("sign_up"), exact=True).click()
    page.get_by_role("alert").wait_for()
    assert page.get_by_label(visitor.text("username")).input_value() == markup
    assert page.locator("main img").count() == 0
    for path in ("sign-in", "verify", "reset"):
        query = visitor.query(email=markup, code=markup, notice=markup, return_to=markup)
        visitor.go(page, f"/{path}?{query}")
        assert page.locator("main img").count() == 0
    assert page.evaluate("() => window.broken") is None


def a_name_that_runs_right_to_left_does_not_turn_the_page(world):
    # A name has letters of one script, so nothing in Latin letters makes it unique.
    name = "".join(random.choices("אבגדהוזחטיכלמנסעפצקרשת", k=12))
    world.new_user_named(name, address_of(unique("ada")))
    visitor = world.visitor(Look(width=320, height=640))
    page = visitor.open("/sign-in")
    visitor.sign_in(page, name, PASSWORD)
    page.wait_for_url("**/account")
    shown = page.get_by_role("main").get_by_text(name, exact=True)
    # Isolated, so that the name does not reorder what stands next to it.
    assert shown.evaluate("node => getComputedStyle(node).unicodeBidi") == "isolate"
    assert page.evaluate("() => getComputedStyle(document.body).direction") == "ltr"
    visitor.go(page, "/account/profile")
    field = page.get_by_label(visitor.text("username"))
    assert field.evaluate("node => getComputedStyle(node).direction") == "rtl"


SCENARIOS = [
    back_button_after_signing_out_shows_nothing_private,
    a_form_that_is_sent_twice_works_once,
    a_sign_in_that_is_sent_twice_signs_in,
    a_form_of_another_user_is_refused,
    two_browsers_hold_two_users,
    ten_tabs_refresh_at_once_until_one_signs_out,
    a_browser_without_cookies_gets_a_clear_message,
    a_session_that_ends_elsewhere_ends_here,
    names_are_text_and_never_markup,
    a_name_that_runs_right_to_left_does_not_turn_the_page,
]
