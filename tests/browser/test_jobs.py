"""What a person does with jobs, in a real browser against real processes."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import log_in, open_page
from tests.stack import Stack, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.stack]
PATIENCE_MS = 60_000
SLOW = "import time\nfor step in range(600):\n    print('step', step)\n    time.sleep(0.2)\n"
SHORT = "import time\nprint('first line')\ntime.sleep(6)\nprint('last line')\n"
PEOPLE = """
from accounts.models import Membership, Tenant, User
tenant = Tenant.objects.get_or_create(slug="demo", defaults={"name": "Demo"})[0]
person = User.objects.create_user("ed", password="a-long-password", is_staff=True)
Membership.objects.create(tenant=tenant, user=person, role="admin")
"""


@pytest.fixture(scope="module")
def stack(chromium, tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("browser")) as made:
        made.manage("collectstatic", "--noinput", "-v0")
        made.shell(PEOPLE)
        made.start_worker()
        made.start_beat()
        yield made


@pytest.fixture(scope="module")
def address(stack):
    return stack.start_web()


@pytest.fixture
def page(browser, address):
    made = log_in(open_page(browser, address), "ed")
    yield made
    made.context.close()


def write(page: Page, field: str, text: str) -> None:
    """Type into a field that a code editor may stand in for."""
    page.eval_on_selector(
        f"[name={field}]",
        "(area, text) => { area.value = text; area.dispatchEvent(new Event('input', {bubbles: true})); }",
        text,
    )


def create(page: Page, name: str, script: str) -> None:
    page.goto("/admin/jobs/job/add/")
    page.fill("[name=name]", name)
    write(page, "python_script", script)
    page.click("button[name=_save]")
    expect(page.locator("#result_list")).to_contain_text(name)


def run_now(page: Page, name: str) -> None:
    page.goto("/admin/jobs/job/")
    page.click(f'a[aria-label="Run now: {name}"]')
    page.click("button[name=_confirm]")
    page.wait_for_url(re.compile(r"/admin/jobs/run/\d+/change/"))


def badge(page: Page, status: str) -> None:
    expect(page.locator(f"#run-live .p-head [data-status={status}]")).to_be_visible(timeout=PATIENCE_MS)


def test_job_is_created_run_and_its_lines_appear_while_it_runs(page) -> None:
    create(page, "Browser job", SHORT)
    run_now(page, "Browser job")
    log = page.locator("[data-log-url]")
    expect(log).to_contain_text("first line", timeout=PATIENCE_MS)
    expect(log).not_to_contain_text("last line")
    badge(page, "succeeded")
    expect(log).to_contain_text("last line")


def test_next_fire_times_follow_the_schedule_that_is_typed(page) -> None:
    create(page, "Scheduled job", "print(1)")
    page.click("#result_list >> text=Scheduled job")
    editor = page.locator("[data-schedule-editor]").first
    preview = editor.locator("[data-schedule-preview]")
    editor.locator("[name=schedules-0-expression]").fill("0 9 * * *")
    expect(preview).to_contain_text("09:00:00")
    expect(preview.locator("li")).to_have_count(5)
    editor.locator("[name=schedules-0-expression]").fill("30 17 * * *")
    expect(preview).to_contain_text("17:30:00")
    expect(preview).not_to_contain_text("09:00:00")
    editor.locator("[name=schedules-0-expression]").fill("61 * * * *")
    expect(preview.locator("li")).to_have_count(0)
    expect(preview).not_to_be_empty()


def test_saved_schedule_shows_its_next_run_in_the_list(page) -> None:
    create(page, "Kept schedule", "print(1)")
    page.click("#result_list >> text=Kept schedule")
    page.fill("[name=schedules-0-expression]", "30 17 * * *")
    page.click("button[name=_save]")
    row = page.locator("#result_list tbody", has_text="Kept schedule")
    expect(row.locator(".field-next_run")).to_contain_text("17:30")


def test_running_job_is_cancelled(page, stack) -> None:
    create(page, "Endless job", SLOW)
    run_now(page, "Endless job")
    expect(page.locator("[data-log-url]")).to_contain_text("step 1", timeout=PATIENCE_MS)
    page.click("#run-buttons >> text=Cancel")
    page.click("form[method=post] >> text=Yes, cancel")
    badge(page, "cancelled")
    expect(page.locator("#run-buttons")).not_to_contain_text("Cancel")
    run = int(page.url.split("/run/")[1].split("/")[0])
    wait_for(lambda: stack.status_of(run) == "cancelled", "the cancelled run in the ledger")


def test_wrong_script_is_said_at_its_field_and_nothing_is_saved(page, stack) -> None:
    page.goto("/admin/jobs/job/add/")
    page.fill("[name=name]", "Broken job")
    write(page, "python_script", "def (")
    page.click("button[name=_save]")
    expect(page.locator("#content")).to_contain_text("syntax error on line 1")
    assert stack.value("SELECT count(*) FROM jobs_job WHERE name = 'Broken job'") == 0


def test_other_kinds_show_their_own_fields_only(page) -> None:
    page.goto("/admin/jobs/job/add/")
    page.select_option("[name=kind]", "http")
    expect(page.locator("[name=http_url]")).to_be_visible()
    expect(page.locator("#id_python_args")).to_be_hidden()
