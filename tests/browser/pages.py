"""Pages of a browser, as tests open them."""

from playwright.sync_api import Browser, Page

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 15_000


def open_page(browser: Browser, address: str, **options) -> Page:
    """A page of its own: a stranger's, in English, as wide as a desk unless said otherwise."""
    context = browser.new_context(**{"base_url": address, "locale": "en-US", "viewport": DESK, **options})
    context.set_default_timeout(PATIENCE_MS)
    return context.new_page()


def log_in(page: Page, name: str) -> Page:
    """As somebody with the password of tests."""
    page.goto("/admin/login/")
    page.fill("[name=username]", name)
    page.fill("[name=password]", "a-long-password")
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")
    return page
