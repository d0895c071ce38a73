"""A SQL alert in a real browser on a portal with beat and worker: made from the console, fires, acknowledged, over."""

import re
import sqlite3
from contextlib import closing

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import log_in, open_page
from tests.browser.test_console import CONSOLE, PATIENCE_MS, PEOPLE, result, write
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.stack]
INBOX = """
from alerts import channelsettings
from alerts.models import Channel
row = Channel(tenant=tenant, slug="inbox", kind="inbox", name="Inbox of the team", language="en")
channelsettings.save_channel(row, actor=None, params={"roles": ["editor"]}, secrets={})
"""
NAMELESS = "select id, name from goods where name is null"
LIVE_MS = 60_000  # a schedule of seconds, a worker, the post office


@pytest.fixture(scope="module")
def stack(chromium, tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("sqlalert")) as made:
        made.manage("collectstatic", "--noinput", "-v0")
        made.shell(PEOPLE + INBOX)
        made.start_worker()
        made.start_beat()
        yield made


@pytest.fixture
def people(browser, stack):
    """`people(390)`: a page of that width, of somebody who is logged in."""
    address = stack.start_web()
    pages = []

    def somebody(width):
        page = open_page(browser, address, viewport={"width": width, "height": 900}, has_touch=width < 500)
        page.context.set_default_timeout(PATIENCE_MS)
        pages.append(log_in(page, "ed"))
        return page

    yield somebody
    for page in pages:
        page.context.close()


def until(page: Page, words: str) -> None:
    """Look again until the page says it."""
    for _look in range(LIVE_MS // 2000):
        page.reload()
        if page.get_by_text(words).count():
            return
        page.wait_for_timeout(2000)
    raise AssertionError(f"“{words}” was never there: {page.inner_text('body')[:2000]}")


def made_from_the_console(page: Page) -> None:
    page.goto(CONSOLE)
    page.select_option("[name=datasource]", label="Goods (sqlite, writable)")
    write(page, NAMELESS)
    page.keyboard.press("Control+Enter")
    expect(result(page)).to_contain_text("1 row came back.")
    page.click("text=Make an alert of this")
    page.wait_for_url("**/alertrule/sql/?query=*")
    expect(page.locator(".cm-content").first).to_contain_text("where name is null")
    page.fill("[name=name]", "Goods without a name")
    page.click("button[name=_preview]")
    expect(page.locator("[data-preview-verdict]")).to_contain_text("It would fire now: 1 row")
    page.fill("[name=schedules-0-expression]", "3s")
    page.check("[name=channels]")
    page.click("button[name=_save]")
    page.wait_for_url(re.compile(r"/alertrule/\d+/change/"))


def test_a_query_becomes_an_alert_that_fires_is_acknowledged_on_a_phone_and_recovers(people, stack) -> None:
    desk = people(1280)
    made_from_the_console(desk)
    alert = desk.url
    until(desk, "Firing")

    desk.click("text=Query, schedule, channels")
    desk.click("button[name=_backtest]")
    headline = desk.locator("[data-backtest-headline]")
    expect(headline).to_contain_text("In the last 30 days this would have sent 1 message instead of")
    expect(desk.locator("#backtest svg rect.p-bar-sent").last).to_be_visible()

    phone = people(390)
    phone.goto("/admin/alerts/incident/")
    phone.get_by_role("link", name=re.compile("Goods without a name")).first.click()
    phone.get_by_role("button", name=re.compile("^.*Acknowledge")).first.click()
    expect(phone.locator("body")).to_contain_text("Acknowledged")
    incident = phone.url
    assert phone.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "the page scrolls sideways"

    with closing(sqlite3.connect(stack.folder / "files" / "demo" / "goods.sqlite3")) as goods:
        goods.execute("update goods set name = 'milk' where id = 2")
        goods.commit()
    desk.goto(alert)
    until(desk, "0 rows came back")
    phone.goto(incident)
    until(phone, "Resolved")
    told = stack.rows("select trigger from alerts_notification order by id")
    assert [row[0] for row in told] == ["firing", "recovered"]
    assert stack.rows("select status, acknowledged_by from alerts_incident") == [("resolved", "ed")]
