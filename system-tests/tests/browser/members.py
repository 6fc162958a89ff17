"""Visitors who are signed in, on the pages of auth-service."""

from world import PASSWORD


def member(world, **options):
    """Returns a visitor who is signed in, the visitor's page, and the name."""
    name = world.new_user()
    visitor = world.visitor(**options)
    page = visitor.open("/sign-in")
    visitor.sign_in(page, name, PASSWORD)
    page.wait_for_url("**/account")
    return visitor, page, name


def assert_signed_in(visitor, page, name):
    visitor.go(page, "/account")
    page.get_by_role("main").get_by_text(name, exact=True).wait_for()
