"""Incidents on a phone, in a real browser: acknowledged with one thumb, from the page and from a message."""

import json

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import PHONE, log_in, open_page
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.stack]
ROWS = """
import json
from django.utils import timezone
from accounts.models import Membership, Tenant, User
from alerts import signing
from alerts.models import Incident
tenant = Tenant.objects.get_or_create(slug="demo", defaults={"name": "Demo"})[0]
person = User.objects.create_user("op", password="a-long-password", is_staff=True)
Membership.objects.create(tenant=tenant, user=person, role="operator")
now = timezone.now()
made = [
    Incident.objects.create(
        tenant=tenant, open_key=f"{tenant.pk}:{name}", cause=name, kind="firing", severity="critical", opened_at=now,
        last_at=now, title={"key": "incident.firing", "rule": name},
        evidence={"columns": ["id", "note"], "rows": [[number, None] for number in range(60)], "total": 60},
    )
    for name in ("by page", "by board", "by message")
]
token = signing.acknowledge_token(incident=made[2].pk, notification=1, recipient="On-call mail")
print(json.dumps({"ids": [one.pk for one in made], "link": f"/alerts/acknowledge/{token}/"}))
"""


@pytest.fixture(scope="module")
def stack(chromium, tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("incidents")) as made:
        made.manage("collectstatic", "--noinput", "-v0")
        yield made


@pytest.fixture(scope="module")
def made(stack):
    return json.loads(stack.shell(ROWS).strip().splitlines()[-1])


@pytest.fixture(scope="module")
def address(stack):
    return stack.start_web()


@pytest.fixture
def page(browser, address):
    made = open_page(browser, address, viewport=PHONE, has_touch=True)
    yield made
    made.context.close()


def is_under_the_thumb(page: Page, button) -> bool:
    """In the lower half of the screen, whole, wide and high enough for a thumb, with nothing above it."""
    box = button.bounding_box()
    middle = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    words = page.evaluate("([x, y]) => document.elementFromPoint(x, y)?.closest('button')?.value", middle)
    fits = PHONE["height"] / 2 < box["y"] and box["y"] + box["height"] <= PHONE["height"]
    return bool(fits and box["height"] >= 44 and box["width"] >= 100 and words == "acknowledge")


def test_an_incident_is_acknowledged_with_a_thumb_and_without_scrolling(page, made) -> None:
    log_in(page, "op")
    page.goto(f"/admin/alerts/incident/{made['ids'][0]}/change/")
    button = page.locator("#incident-quick button[value=acknowledge]")
    assert is_under_the_thumb(page, button)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    button.tap()
    expect(page.locator(".p-incident-head--acknowledged")).to_be_visible()
    expect(page.locator("#timeline")).to_contain_text("Acknowledged op")
    expect(page.locator("#incident-quick button[value=acknowledge]")).to_have_count(0)


def test_the_board_acknowledges_by_keyboard_and_snoozes_from_its_sheet(page, made) -> None:
    log_in(page, "op")
    page.goto("/admin/alerts/incident/?q=by%20board")
    page.get_by_role("button", name="Acknowledge: by board fires").focus()
    page.keyboard.press("Enter")
    row = page.locator("#result_list tbody").first
    expect(row).to_contain_text("Acknowledged")
    row.get_by_role("button", name="Snooze: by board fires").tap()
    page.get_by_role("button", name="Snooze for 1 hour").tap()
    expect(page.locator("#result_list tbody").first).to_contain_text("Snoozed")
    assert "q=by" in page.url


def test_the_link_of_a_message_acknowledges_without_a_log_in(page, made) -> None:
    page.goto(made["link"])
    expect(page.get_by_role("heading")).to_have_text("by message fires")
    page.fill("#comment", "On my way")
    page.get_by_role("button", name="Acknowledge").tap()
    expect(page.get_by_role("status")).to_contain_text("Reminders and escalation stop.")
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
