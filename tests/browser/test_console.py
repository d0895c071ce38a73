"""The query console in a real browser against a real portal: run, stop, rehearse, change, save."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import log_in, open_page
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.stack]
PATIENCE_MS = 30_000
CONSOLE = "/admin/datasources/queryrecord/console/"
ENDLESS = "with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) from c"
PEOPLE = """
import sqlite3
from django.conf import settings
from accounts.models import Membership, Tenant, User
from datasources.models import DataSource
tenant = Tenant.objects.get_or_create(slug="demo", defaults={"name": "Demo"})[0]
person = User.objects.create_user("ed", password="a-long-password", is_staff=True)
Membership.objects.create(tenant=tenant, user=person, role="editor")
folder = settings.PORTAL_SQLITE_ROOTS[0] / "demo"
folder.mkdir(parents=True, exist_ok=True)
with sqlite3.connect(folder / "goods.sqlite3") as raw:
    raw.execute("CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT)")
    raw.execute("INSERT INTO goods VALUES (1, 'tea'), (2, NULL)")
DataSource.objects.create(tenant=tenant, slug="goods", name="Goods", kind="sqlite", params={"path": "goods.sqlite3"},
                          is_read_only=False)
"""


@pytest.fixture(scope="module")
def stack(chromium, tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("console")) as made:
        made.manage("collectstatic", "--noinput", "-v0")
        made.shell(PEOPLE)
        yield made


@pytest.fixture(scope="module")
def address(stack):
    return stack.start_web()


@pytest.fixture(params=[1280, 390], ids=["desk", "phone"])
def page(request, browser, address):
    viewport = {"width": request.param, "height": 900}
    made = log_in(open_page(browser, address, viewport=viewport), "ed")
    made.goto(CONSOLE)
    made.select_option("[name=datasource]", label="Goods (sqlite, writable)")
    yield made
    made.context.close()


def write(page: Page, text: str) -> None:
    """Into the editor, by keyboard, over what stands there."""
    editor = page.locator(".cm-content").first
    editor.click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.insert_text(text)


def result(page: Page):
    return page.locator("[data-console-result]")


def test_ctrl_enter_runs_and_the_rows_appear_without_a_new_page(page) -> None:
    write(page, "select id, name from goods")
    page.evaluate("window.stayed = true")
    page.keyboard.press("Control+Enter")
    expect(result(page)).to_contain_text("2 rows came back.")
    expect(result(page).locator("td.p-cell--null")).to_have_text("NULL")
    assert page.evaluate("window.stayed")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
        "the page must not scroll sideways"
    )


def test_a_mistake_is_a_sentence_and_the_next_try_works(page) -> None:
    write(page, "delete from goods")
    page.click("text=Run, read-only")
    expect(result(page).get_by_role("alert")).to_contain_text("Only SELECT is allowed")
    write(page, "select 42 as answer")
    page.click("text=Run, read-only")
    expect(result(page)).to_contain_text("42")
    expect(result(page).get_by_role("alert")).to_have_count(0)


def test_stop_ends_a_query_that_runs(page, stack) -> None:
    write(page, ENDLESS)
    page.click("text=Run, read-only")
    page.click("[data-console-stop]", timeout=PATIENCE_MS)
    expect(result(page).get_by_role("alert")).to_contain_text("The statement was cancelled.", timeout=PATIENCE_MS)
    expect(page.locator("[data-console-stop]")).to_be_hidden()


def test_a_change_is_rehearsed_made_and_undone_by_hand(page, stack) -> None:
    write(page, "update goods set name = 'milk' where id = 2")
    page.click("text=Rehearse a change")
    expect(result(page)).to_contain_text("It would change 1 row; all of it is undone.")
    page.click("text=Make this change")
    expect(result(page)).to_contain_text("1 row was changed.")
    write(page, "update goods set name = null where id = 2")
    page.click("text=Rehearse a change")
    page.click("text=Make this change")
    expect(result(page)).to_contain_text("1 row was changed.")


def test_a_file_is_given_and_a_script_is_saved(page, stack, request) -> None:
    write(page, "select name from goods")
    page.keyboard.press("Control+Enter")
    expect(result(page)).to_contain_text("2 rows came back.")
    with page.expect_download() as given:
        page.click("button[name=csv]")
    assert given.value.suggested_filename == "goods.csv"
    name = f"Saved {request.node.callspec.id}"
    page.click("text=Save as a script of the library")
    page.fill("[name=script_name]", name)
    page.click("button[name=save]")
    page.wait_for_url("**/datasources/sqlscript/*/change/")
    expect(page.locator("body")).to_contain_text("was made")
