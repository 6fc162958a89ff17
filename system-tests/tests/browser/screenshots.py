"""Pictures of every page, for people: desktop and phone, light and dark, English and German."""

from sample_app import call, expect_user, open_app, sign_in
from tour import Tour
from visitor import DESKTOP, PHONE, Look
from world import PASSWORD


def take(world, folder):
    """Writes a PNG of each page, named by page, device, scheme and language."""
    folder.mkdir(parents=True, exist_ok=True)
    for device, size in (("desktop", DESKTOP), ("phone", PHONE)):
        for scheme in ("light", "dark"):
            for language in ("en", "de"):
                look = Look(**size, scheme=scheme, language=language)
                take_with(world, look, folder, f"{device}.{scheme}.{language}")


def take_with(world, look, folder, suffix):
    visitor = world.visitor(look)

    def look_at(name, page):
        page.screenshot(path=folder / f"{name}.{suffix}.png", full_page=True)

    Tour(visitor, look_at).take()
    if look.language == "en":  # The only language of the sample app.
        page = open_app(visitor)
        look_at("app-sign-in", page)
        name = world.new_user()
        sign_in(page, name)
        expect_user(page, name)
        call(page)
        look_at("app", page)
    visitor.close()
