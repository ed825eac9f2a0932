"""Debian's Chromium, headless, driven by playwright; whatever the browser complains of is a failure of the test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import BrowserContext, Page, sync_playwright

from tests.console.stage import PASSWORD

CHROMIUM = "/usr/bin/chromium"


class Browser:
    """One Chromium; contexts are people with their own cookies."""

    def __init__(self, chromium: object) -> None:
        self._chromium = chromium
        self.complaints: list[str] = []

    def person(self, url: str, name: str = "", *, scripts: bool = True, dark: bool = False, width: int = 1440) -> Page:
        """A page of somebody; logged in when he has a name."""
        context: BrowserContext = self._chromium.new_context(  # type: ignore[attr-defined]
            base_url=url,
            java_script_enabled=scripts,
            color_scheme="dark" if dark else "light",
            viewport={"width": width, "height": 900},
        )
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on(
            "console", lambda told: self.complaints.append(told.text) if told.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        if name:
            page.goto("/login")
            page.fill("input[name=name]", name)
            page.fill("input[name=password]", PASSWORD)
            page.click("button.primary")
            page.wait_for_url("**/sync")
        return page


def do(page: Page, label: str, button: str, within: str = "body", **fields: str) -> str:
    """Click an action (the first one in a part of the page), fill in what its dialog asks, and say that it is meant; the
    page's answer comes back."""
    page.locator(within).get_by_role("link", name=label, exact=True).first.click()
    for name, value in fields.items():
        page.fill(f"dialog input[name='{name.replace('__', '.')}']", value)
    page.locator("dialog").get_by_role("button", name=button, exact=True).click()
    page.wait_for_selector("p.notice[role=status]")
    told = page.inner_text("p.notice[role=status]")
    assert "good" in (page.get_attribute("p.notice[role=status]", "class") or ""), told
    return told


@contextmanager
def browser() -> Iterator[Browser]:
    """A running Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield Browser(chromium)
        finally:
            chromium.close()
