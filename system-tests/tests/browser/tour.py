"""A tour of every page: what a user does from signing up to deleting the account."""

import re

from world import PASSWORD, address_of, unique

NEW_PASSWORD = "staple correct battery horse"
LAST_PASSWORD = "horse battery staple correct"


class Tour:
    """One user's tour. `look_at(name, page)` is called for each page, and each page with errors."""

    def __init__(self, visitor, look_at):
        self.visitor = visitor
        self.text = visitor.text
        self.look_at = look_at
        self.name = unique("ada")
        self.email = address_of(self.name)

    def take(self):
        self.page = self.visitor.open("/sign-up")
        self.sign_up()
        self.verify()
        self.account()
        self.profile()
        self.change_email()
        self.change_password()
        self.sessions()
        self.export()
        self.confirm()
        self.sign_out()
        self.sign_in()
        self.reset_password()
        self.delete()

    # Steps of the tour, in their order.

    def sign_up(self):
        self.look_at("sign-up", self.page)
        self.press("sign_up")
        assert self.page.get_by_label(self.text("email")).get_attribute("aria-invalid") == "true"
        self.look_at("sign-up-with-errors", self.page)
        self.fill("email", self.email)
        self.fill("username", self.name)
        self.fill("new_password", PASSWORD)
        self.press("sign_up")
        self.expect_path("/account")

    def verify(self):
        self.link("verify_title")
        self.look_at("verify", self.page)
        self.press("send_new_code")
        self.expect_notice("verification_sent")
        self.look_at("verify-with-notice", self.page)
        self.fill("code", self.code("verify_email"))
        self.press("verify")
        self.expect_path("/account")

    def account(self):
        self.go("/")
        self.expect_path("/account")
        self.page.get_by_text(self.text("email_verified")).wait_for()
        self.look_at("account", self.page)

    def profile(self):
        self.link("profile_title")
        self.look_at("profile", self.page)
        self.name = unique("grace")
        self.fill("username", self.name)
        self.press("save")
        self.expect_notice("saved")

    def change_email(self):
        self.link("email_title")
        self.look_at("email", self.page)
        self.email = address_of(self.name)
        self.fill("new_email", self.email)
        self.fill("current_password", PASSWORD)
        self.press("send_code")
        self.expect_notice("email_code_sent")
        self.look_at("change-email", self.page)
        self.fill("code", self.code("change_email"))
        self.press("change_email")
        self.expect_notice("email_changed")

    def change_password(self):
        self.link("password_title")
        self.look_at("password", self.page)
        self.fill("current_password", "wrong password")
        self.fill("new_password", NEW_PASSWORD)
        self.press("set_password")
        self.page.get_by_role("alert").wait_for()
        self.look_at("password-with-errors", self.page)
        self.fill("current_password", PASSWORD)
        self.fill("new_password", NEW_PASSWORD)
        self.press("set_password")
        self.expect_notice("password_changed")

    def sessions(self):
        for _ in range(2):
            self.visitor.world.post("/login", {"username": self.name, "password": NEW_PASSWORD})
        self.link("sessions_title")
        self.look_at("sessions", self.page)
        # The name of each button contains the device.
        end = self.text("session_end") + " Python-urllib"
        buttons = self.page.get_by_role("button", name=end)
        assert buttons.count() == 2
        buttons.first.click()
        self.expect_notice("session_ended")
        self.press("sessions_end_others")
        self.expect_notice("others_ended")
        assert buttons.count() == 0

    def export(self):
        self.go("/account/export")
        self.look_at("export", self.page)
        with self.page.expect_download() as download:
            self.page.get_by_role("link", name=self.text("export_link")).click()
        assert self.email in download.value.path().read_text()

    def confirm(self):
        self.go("/account/confirm")
        self.look_at("confirm", self.page)
        self.fill("current_password", NEW_PASSWORD)
        self.press("confirm")
        self.expect_path("/account")

    def sign_out(self):
        self.go("/sign-out")
        self.look_at("sign-out", self.page)
        self.page.get_by_role("main").get_by_role("button", name=self.text("sign_out")).click()
        self.expect_notice("signed_out")

    def sign_in(self):
        self.go("/account/profile")
        self.expect_path("/sign-in")
        self.look_at("sign-in", self.page)
        self.fill("name", self.name)
        self.fill("password", "wrong password")
        self.press("sign_in")
        self.page.get_by_role("alert").wait_for()
        self.look_at("sign-in-with-errors", self.page)
        self.fill("password", NEW_PASSWORD)
        self.press("sign_in")
        # Back on the page that asked for a session.
        self.expect_path("/account/profile")
        self.visitor.sign_out(self.page)

    def reset_password(self):
        self.go("/sign-in")
        self.link("forgot_link")
        self.look_at("forgot", self.page)
        self.fill("name", self.name)
        self.press("send_code")
        self.expect_notice("reset_sent")
        self.look_at("reset", self.page)
        self.fill("name", self.email)
        self.fill("code", self.code("reset_password"))
        self.fill("new_password", LAST_PASSWORD)
        self.press("set_password")
        self.expect_notice("password_set")

    def delete(self):
        self.visitor.sign_in(self.page, self.email, LAST_PASSWORD)
        self.expect_path("/account")
        self.link("delete_title")
        self.look_at("delete", self.page)
        self.press("delete_by_code")
        self.expect_notice("deletion_code_sent")
        self.look_at("delete-account", self.page)
        self.fill("code", self.code("delete_account"))
        self.press("delete")
        self.expect_path("/sign-in")
        self.go("/account")
        self.expect_path("/sign-in")
        self.go("/undo-email-change")
        self.look_at("undo-email-change", self.page)

    # Words of the steps.

    def go(self, path):
        self.visitor.go(self.page, path)

    def fill(self, label, value):
        self.page.get_by_label(self.text(label), exact=True).fill(value)

    def press(self, text):
        main = self.page.get_by_role("main")
        main.get_by_role("button", name=self.text(text), exact=True).click()

    def link(self, text):
        self.page.get_by_role("main").get_by_role("link", name=self.text(text), exact=True).click()

    def expect_path(self, path):
        self.page.wait_for_url(re.compile(re.escape(path) + r"(\?.*)?$"))

    def expect_notice(self, name):
        self.page.get_by_role("status").filter(has_text=self.visitor.text.notice(name)).wait_for()

    def code(self, template):
        return self.visitor.mailed_code(self.email, template)
