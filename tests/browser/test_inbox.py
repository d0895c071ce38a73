"""The bell and the inbox, in a real browser: a message that a worker delivered, read by keyboard and on a phone."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.pages import PHONE, log_in, open_page
from tests.stack import Stack, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.stack]
PEOPLE = """
from accounts.models import Membership, Tenant, User
tenant = Tenant.objects.get_or_create(slug="demo", defaults={"name": "Demo"})[0]
person = User.objects.create_user("ed", password="a-long-password", is_staff=True)
Membership.objects.create(tenant=tenant, user=person, role="viewer")
"""
MESSAGES = """
from tests.stackpost import add_channel, notify
add_channel("people", "inbox", {"users": ["ed"]})
notify("people", 3)
"""


@pytest.fixture(scope="module")
def stack(chromium, tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("inbox")) as made:
        made.manage("collectstatic", "--noinput", "-v0")
        made.shell(PEOPLE)
        made.shell(MESSAGES)
        made.start_worker()
        wait_for(lambda: made.value("SELECT count(*) FROM alerts_inboxmessage") == 3, "the messages")
        yield made


@pytest.fixture(scope="module")
def page(browser, stack):
    made = log_in(open_page(browser, stack.start_web()), "ed")
    yield made
    made.context.close()


def test_the_bell_leads_to_messages_that_are_read_by_keyboard(page) -> None:
    bell = page.get_by_role("link", name="Inbox: 3 unread messages")
    expect(bell).to_be_visible()
    bell.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/alerts/inboxmessage/")
    message = page.get_by_role("button", name="Unread: Message 2")
    message.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/inboxmessage/\d+/change/"))
    expect(page.get_by_text("Something is wrong.")).to_be_visible()
    expect(page.get_by_role("link", name="Inbox: 2 unread messages")).to_be_visible()


def test_a_phone_shows_it_without_scrolling_sideways_and_marks_all(page) -> None:
    page.set_viewport_size(PHONE)
    page.goto("/admin/alerts/inboxmessage/")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_text("2 messages are marked as read.")).to_be_visible()
    expect(page.get_by_role("link", name="Inbox: 0 unread messages")).to_be_visible()
