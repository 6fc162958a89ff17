"""The sample app of examples/browser-app: on an origin of its own, with a cookie and CORS."""

import collections
import re

from checks import check_page
from foreign import without_cookies
from visitor import DESKTOP, NARROW, PHONE, Look
from world import PASSWORD, address_of, unique


class Requests:
    """Counts the requests of a visitor by method and path."""

    def __init__(self, visitor):
        self.counts = collections.Counter()
        visitor.context.on("request", self._count)

    def _count(self, request):
        self.counts[f"{request.method} /{request.url.split('/', 3)[3]}"] += 1


def open_app(visitor):
    page = visitor.open(visitor.world.app + "/")
    page.get_by_role("heading", level=2).wait_for()
    return page


def field(page, label):
    """Returns the field of the form that is shown."""
    return page.get_by_label(label).filter(visible=True)


def sign_in(page, name, password=PASSWORD):
    field(page, "Username").fill(name)
    field(page, "Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def expect_user(page, name):
    page.get_by_role("heading", name=f"Signed in as {name}", exact=True).wait_for()


def expect_signed_out(page):
    page.get_by_role("heading", name="Sign in", exact=True).wait_for()


def call(page):
    page.get_by_role("button", name="Call resource-service").click()
    page.get_by_role("status").filter(has_text="resource-service has answered.").wait_for()


def statuses(page):
    """Returns the routes that the page has called, each with the status of the answer."""
    answers = page.get_by_role("region", name="Answers of resource-service").inner_text()
    return re.findall(r"GET (.*: \d+)", answers)


def member(world):
    """Returns a visitor who is signed in to the app, the page, and the name."""
    name = world.new_user()
    visitor = world.visitor()
    page = open_app(visitor)
    sign_in(page, name)
    expect_user(page, name)
    return visitor, page, name


def user_registers_signs_in_calls_and_signs_out(world):
    for look in [Look(**DESKTOP), Look(**PHONE, scheme="dark"), Look(**NARROW, scheme="dark")]:
        visitor = world.visitor(look)
        page = open_app(visitor)
        check_page(visitor, page)
        page.get_by_role("button", name="I have no account").click()
        check_page(visitor, page)
        name = unique("ada")
        field(page, "Email address").fill(address_of(name))
        field(page, "Username").fill(name)
        field(page, "Password").fill("12345678")
        create = page.get_by_role("button", name="Create the account")
        create.click()
        page.get_by_role("status").filter(has_text="too common").wait_for()
        field(page, "Password").fill(PASSWORD)
        create.click()
        expect_user(page, name)
        call(page)
        assert statuses(page) == ["/whoami: 200", "/reports: 403", "/admin: 403"]
        check_page(visitor, page)
        page.reload()
        expect_user(page, name)
        page.get_by_role("button", name="Sign out", exact=True).click()
        expect_signed_out(page)
        assert name not in page.content()
        page.reload()
        expect_signed_out(page)
        visitor.close()


def wrong_password_is_explained(world):
    name = world.new_user()
    page = open_app(world.visitor())
    sign_in(page, name, "wrong password")
    page.get_by_role("status").filter(has_text="No active account").wait_for()


def script_cannot_read_the_session_and_stores_no_token(world):
    visitor, page, _ = member(world)
    stored = page.evaluate("() => [document.cookie, {...localStorage}, {...sessionStorage}]")
    assert stored == ["", {}, {}], stored
    [session] = [it for it in visitor.context.cookies() if "session" in it["name"]]
    assert (session["httpOnly"], session["sameSite"]) == (True, "Lax"), session
    assert page.evaluate("async () => (await indexedDB.databases()).length") == 0


def calls_of_two_tabs_share_one_refresh(world):
    visitor, first, name = member(world)
    second = open_app(visitor)
    expect_user(second, name)
    refused = expire(visitor, {bearer_of_call(first), bearer_of_call(second)})
    held = []
    visitor.context.route("**/token/refresh", lambda route: held.append(route))
    requests = Requests(visitor)
    for tab in (first, second):
        tab.get_by_role("button", name="Call resource-service").click()
    # The refresh of one tab has no answer until the other tab waits for that tab.
    second.wait_for_function(TAB_WAITS, polling=20)
    [refresh] = held
    refresh.continue_()
    for tab in (first, second):
        tab.get_by_role("status").filter(has_text="has answered").wait_for()
        assert statuses(tab)[0] == "/whoami: 200"
    assert len(refused) == 6, refused
    assert requests.counts["POST /token/refresh"] == 1, requests.counts


TAB_WAITS = "async () => (await navigator.locks.query()).pending.length === 1"


def expire(visitor, bearers):
    """Makes resource-service refuse these tokens, as if they had expired. Returns the refusals."""
    refused = []

    def refuse_expired(route):
        bearer = route.request.headers.get("authorization")
        if bearer not in bearers:
            return route.fallback()
        refused.append(bearer)
        allow = {"Access-Control-Allow-Origin": visitor.world.app}
        return route.fulfill(status=401, headers=allow, body="{}")

    visitor.context.route(f"{visitor.world.resource}/**", refuse_expired)
    return refused


def bearer_of_call(page):
    with page.expect_request("**/whoami") as request:
            call(page)
    return request.value.headers["authorization"]


def without_web_locks_each_tab_refreshes_for_itself(world):
    visitor, first, name = member(world)
    # As in a browser that has neither.
    visitor.context.add_init_script(
        "delete Navigator.prototype.locks; delete globalThis.BroadcastChannel;"
    )
    second = open_app(visitor)
    expect_user(second, name)
    assert second.evaluate("() => [navigator.locks, globalThis.BroadcastChannel]") == [None, None]
    refused = expire(visitor, {bearer_of_call(second)})
    requests = Requests(visitor)
    call(second)
    assert (len(refused), requests.counts["POST /token/refresh"]) == (3, 1), requests.counts
    second.get_by_role("button", name="Sign out", exact=True).click()
    expect_signed_out(second)
    # No message came, so the first tab notices when it needs a token.
    first.get_by_role("button", name="Call resource-service").click()
    expect_signed_out(first)


def signing_out_in_one_tab_signs_all_tabs_out(world):
    for button in ("Sign out", "Sign out everywhere"):
        visitor, first, name = member(world)
        second = open_app(visitor)
        expect_user(second, name)
        first.get_by_role("button", name=button, exact=True).click()
        expect_signed_out(first)
        expect_signed_out(second)
        assert name not in second.content()


def a_session_that_ends_elsewhere_ends_here(world):
    visitor, page, name = member(world)
    call(page)
    other = world.visitor()
    elsewhere = open_app(other)
    sign_in(elsewhere, name)
    expect_user(elsewhere, name)
    elsewhere.get_by_role("button", name="End the session of").click()
    elsewhere.get_by_role("status").filter(has_text="The session has ended.").wait_for()
    # resource-service refuses the token within a second of the end.
    while page.get_by_role("heading", name="Sign in", exact=True).count() == 0:
        page.get_by_role("button", name="Call resource-service").click()
        page.get_by_role("status").filter(has_text=re.compile("has answered|has ended")).wait_for()
    call(elsewhere)


def a_user_who_signs_in_in_another_tab_takes_over(world):
    visitor, first, ada = member(world)
    second = open_app(visitor)
    expect_user(second, ada)
    grace = world.new_user("grace")
    second.get_by_role("button", name="Sign out", exact=True).click()
    expect_signed_out(first)
    sign_in(second, grace)
    expect_user(second, grace)
    expect_user(first, grace)
    assert ada not in first.content()


def an_app_of_an_origin_that_is_not_listed_is_told_so(world):
    visitor = world.visitor(logs_errors=True)
    page = visitor.open(world.app.replace("127.0.0.1", "localhost") + "/")
    expected = f"with {world.app.replace('127.0.0.1', 'localhost')} in BROWSER_ORIGINS"
    page.get_by_role("status").filter(has_text=expected).wait_for()


def a_browser_without_cookies_gets_a_clear_message(world):
    name = world.new_user()
    visitor = world.visitor()
    page = visitor.context.new_page()
    page.route(f"{world.auth}/login", without_cookies)
    page.goto(world.app + "/")
    sign_in(page, name)
    expected = "The browser did not keep the cookie of your session."
    page.get_by_role("status").filter(has_text=expected).wait_for()
    expect_signed_out(page)


SCENARIOS = [
    user_registers_signs_in_calls_and_signs_out,
    wrong_password_is_explained,
    script_cannot_read_the_session_and_stores_no_token,
    calls_of_two_tabs_share_one_refresh,
    without_web_locks_each_tab_refreshes_for_itself,
    signing_out_in_one_tab_signs_all_tabs_out,
    a_session_that_ends_elsewhere_ends_here,
    a_user_who_signs_in_in_another_tab_takes_over,
    an_app_of_an_origin_that_is_not_listed_is_told_so,
    a_browser_without_cookies_gets_a_clear_message,
]
