"""What pages of other origins must not be able to do with the session of a user."""

import html
import re

from foreign import foreign_sites
from members import assert_signed_in, member
from world import PASSWORD, unique

# Sends a request with the user's cookies. Returns the status, or that no answer can be read.
FETCH = """async ([url, method, type, body]) => {
    const headers = type ? { 'Content-Type': type } : {};
    try {
        const answer = await fetch(url, { method, credentials: 'include', headers, body });
        return answer.status;
    } catch (error) {
        return error.name;
    }
}"""


def form(action, fields):
    """Returns a page that sends a form as soon as it is open."""
    inputs = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )
    send = "<script>document.forms[0].submit()</script>"
    return f'<form method="post" action="{action}">{inputs}</form>{send}'


def form_of_another_origin_changes_nothing(world):
    visitor, page, name = member(world)
    user = page.goto(f"{world.auth}/account/profile") and page.locator("input[name=user]")
    user = user.input_value()
    taken = unique("mallory")
    for action, fields in [
        ("/account/profile", {"user": user, "username": taken, "language": "de"}),
        ("/account/sessions", {"user": user, "end": "all"}),
        ("/account/delete", {"user": user, "password": PASSWORD}),
        ("/sign-out", {"user": user}),
        ("/logout", {}),
        ("/logout/all", {}),
    ]:
        with foreign_sites(form(world.auth + action, fields)) as origins:
            for origin in origins:
                with page.expect_response(world.auth + action) as answer:
                    page.goto(origin)
                assert answer.value.status in (401, 403), f"{action}: {answer.value.status}"
        assert_signed_in(visitor, page, name)


def form_of_another_origin_signs_no_user_in(world):
    # Login CSRF: the user would then work in the account of the attacker.
    mallory = world.new_user("mallory")
    visitor = world.visitor()
    page = visitor.open("/sign-in")
    for action in ("/sign-in", "/login"):
        fields = {"username": mallory, "password": PASSWORD, "cookie": "true"}
        with foreign_sites(form(world.auth + action, fields)) as origins:
            for origin in origins:
                with page.expect_response(world.auth + action) as answer:
                    page.goto(origin)
                assert answer.value.status == 403, f"{action}: {answer.value.status}"
    visitor.go(page, "/account")
    page.wait_for_url("**/sign-in?**")


def script_of_another_origin_reads_and_changes_nothing(world):
    visitor, page, name = member(world, logs_errors=True)
    with foreign_sites("") as origins:
        for origin in origins:
            page.goto(origin)
            for path, method, type, body in [
                ("/token/refresh", "POST", "", None),
                ("/token/refresh", "POST", "application/json", "{}"),
                ("/token/refresh", "POST", "text/plain", "{}"),
                ("/logout", "POST", "", None),
                ("/logout/all", "POST", "", None),
                ("/me", "GET", "", None),
                ("/me", "DELETE", "", None),
                ("/sessions", "GET", "", None),
                ("/account", "GET", "", None),
            ]:
                outcome = page.evaluate(FETCH, [world.auth + path, method, type, body])
                assert outcome == "TypeError", f"{method} {path} from {origin}: {outcome}"
            # Without CORS the browser hides the answer, and sends the request nevertheless.
            send = "url => fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include'})"
            for path in ("/logout", "/logout/all", "/token/refresh"):
                with page.expect_response(world.auth + path) as answer:
                    page.evaluate(f"({send})({(world.auth + path)!r}).then(() => null)")
                # 400: the browser has sent no cookie, because this is another site.
                assert answer.value.status in (400, 401, 403), f"{path}: {answer.value.status}"
    assert_signed_in(visitor, page, name)


def no_page_can_be_framed(world):
    visitor, page, _ = member(world, logs_errors=True)
    paths = ["/sign-in", "/sign-up", "/account", "/account/delete", "/sign-out", "/docs"]
    frames = "".join(f'<iframe src="{world.auth}{path}"></iframe>' for path in paths)
    frames += f'<iframe src="{world.app}/"></iframe>'
    # A page that allows frames, to show that this scenario would notice one.
    frames += f'<iframe src="{world.app}/style.css"></iframe><iframe srcdoc="Signed in"></iframe>'
    with foreign_sites(frames) as origins:
        for origin in origins:
            page.goto(origin, wait_until="load")
            texts = [frame.locator("body").inner_text() for frame in page.frames[1:]]
            assert len(texts) == len(paths) + 3
            shown = [text for text in texts if re.search("sign|@|color", text, re.IGNORECASE)]
            assert shown == ["Signed in"], f"{origin} frames {shown}"


def no_link_leads_on_to_another_site(world):
    visitor, page, name = member(world)
    for target in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "\\\\evil.example/",
        "/\t/evil.example/",
        "https:evil.example",
        "javascript:alert(1)",
        "data:text/html,evil",
        f"{world.auth}@evil.example/",
        f"{world.auth}.evil.example/",
        "/..//evil.example/",
        "%2F%2Fevil.example",
    ]:
        # A user who is signed in is sent on at once.
        visitor.go(page, f"/sign-in?{visitor.query(return_to=target)}")
        assert page.url == f"{world.auth}/account", f"{target} leads to {page.url}"
    # The form passes the target on, and may have been changed.
    visitor.sign_out(page)
    visitor.go(page, f"/sign-in?{visitor.query(return_to=world.auth + '/account/email')}")
    target = page.locator("input[name=return_to]")
    target.evaluate("(node, value) => { node.value = value; }", "https://evil.example/")
    page.get_by_label(visitor.text("name")).fill(name)
    page.get_by_label(visitor.text("password"), exact=True).fill(PASSWORD)
    page.get_by_role("button", name=visitor.text("sign_in"), exact=True).click()
    page.wait_for_url(f"{world.auth}/account")


def a_page_of_a_listed_origin_gets_the_user_back(world):
    name = world.new_user()
    visitor = world.visitor()
    page = visitor.open("/sign-in")
    query = visitor.query(return_to=f"{world.app}/")
    visitor.sign_in(page, name, PASSWORD, path=f"/sign-in?{query}")
    page.wait_for_url(f"{world.app}/")
    # The app finds the session that the page has begun.
    page.get_by_role("heading", name=f"Signed in as {name}").wait_for()


SCENARIOS = [
    form_of_another_origin_changes_nothing,
    form_of_another_origin_signs_no_user_in,
    script_of_another_origin_reads_and_changes_nothing,
    no_page_can_be_framed,
    no_link_leads_on_to_another_site,
    a_page_of_a_listed_origin_gets_the_user_back,
]
