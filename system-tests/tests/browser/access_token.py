"""The browser helper of verifiers/javascript, in pages of the sample app, with a real session."""

from sample_app import TAB_WAITS, Requests, expect_signed_out, expect_user, member, open_app
from visitor import ROOT

HELPER = ROOT / "verifiers/javascript/src/browser.js"

LOAD = """async ([issuer, service]) => {
    const { AccessToken } = await import('/helper.js');
    globalThis.access = new AccessToken({ issuer, origins: [service], onSessionChange() {} });
}"""
CALL = """(service) => {
    globalThis.called = access.fetch(`${service}/whoami`).then(({ status }) => status);
}"""
SIGN_OUT = """(issuer) => {
    access.changeSession(async () => {
        await fetch(`${issuer}/logout`, { method: 'POST', credentials: 'include' });
        return null;
    });
}"""
OUTCOME = "(service) => access.fetch(`${service}/whoami`).catch((error) => error.constructor.name)"


def load(page, world):
    """Loads the helper in a page of the app."""
    script = HELPER.read_text(encoding="utf-8")
    page.route("**/helper.js", lambda route: route.fulfill(
        body=script, content_type="text/javascript"))
    page.evaluate(LOAD, [world.auth, world.resource])


def two_tabs(world):
    """Returns a visitor who is signed in, and two tabs with the helper."""
    visitor, first, name = member(world)
    second = open_app(visitor)
    expect_user(second, name)
    for page in (first, second):
        load(page, world)
    return visitor, first, second


def two_tabs_share_one_refresh(world):
    visitor, first, second = two_tabs(world)
    held = []
    visitor.context.route("**/token/refresh", lambda route: held.append(route))
    requests = Requests(visitor)
    for page in (first, second):
        page.evaluate(CALL, world.resource)
    # The refresh of one tab has no answer until the other tab waits for that tab.
    second.wait_for_function(TAB_WAITS, polling=20)
    [refresh] = held
    refresh.continue_()
    assert [page.evaluate("() => called") for page in (first, second)] == [200, 200]
    assert requests.counts["POST /token/refresh"] == 1, requests.counts


def a_sign_out_ends_the_token_of_every_tab(world):
    _, first, second = two_tabs(world)
    first.evaluate(CALL, world.resource)
    assert first.evaluate("() => called") == 200
    first.evaluate(SIGN_OUT, world.auth)
    # The client of the sample app receives the helper's message in both tabs, and loads them anew.
    for page in (first, second):
        expect_signed_out(page)
    load(first, world)
    assert first.evaluate(OUTCOME, world.resource) == "SignedOut"


SCENARIOS = [two_tabs_share_one_refresh, a_sign_out_ends_the_token_of_every_tab]
