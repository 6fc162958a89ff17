"""Checks of a page that every page must pass."""

import importlib.resources
import re

AXE = (importlib.resources.files("axe_playwright_python") / "axe.min.js").read_text()
# Every rule of axe-core, and target-size (WCAG 2.2, 2.5.8), which axe-core leaves off.
RUN_AXE = """async () => {
    const options = { resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } };
    const { violations } = await axe.run(options);
    return violations.map(({ id, help, nodes }) =>
        `${id}: ${help}\\n` + nodes.map((node) => `    ${node.html}\\n    ${node.failureSummary}`)
            .join('\\n'));
}"""
OVERFLOW = """() => {
    const width = document.documentElement.clientWidth;
    const wide = [...document.body.querySelectorAll('*')]
        .filter((node) => node.getBoundingClientRect().right > width + 1);
    const isWide = document.documentElement.scrollWidth > width;
    return isWide ? wide.map((node) => node.outerHTML.slice(0, 200)) : [];
}"""
# Largest page, with its stylesheet, in bytes.
MOST_BYTES = 15_000


def check_page(visitor, page):
    """Asserts that a page is accessible, in the visitor's language, and as wide as the screen."""
    visitor.allow_scripts(True)
    place = f"{page.url} ({visitor.look})"
    language = page.locator("html").get_attribute("lang")
    assert language == visitor.look.language, f"{place}: lang={language}"
    assert page.get_by_role("heading", level=1).count() == 1, f"{place}: not one h1"
    wide = page.evaluate(OVERFLOW)
    assert not wide, f"{place} scrolls sideways: {wide}"
    # The smallest screens show what a phone shows, and axe-core takes its time.
    if visitor.look.width > 320:
        page.evaluate(AXE)
        violations = page.evaluate(RUN_AXE)
        assert not violations, f"{place}:\n" + "\n".join(violations)
    visitor.allow_scripts(False)


def check_size(visitor, path):
    """Asserts that a page and its stylesheet are small, without headers. Returns their size."""
    document = visitor.fetch(path)
    assert document.url.endswith(path), f"{path} leads to {document.url}"
    style = re.search(r'<link rel="stylesheet" href="([^"]+)"', document.text()).group(1)
    size = sum(len(visitor.fetch(url).body()) for url in (path, style))
    assert size < MOST_BYTES, f"{path} with its stylesheet: {size} bytes"
    return size
