"""The home page."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from datasources import approvals
from datasources.models import DataSource
from jobs.models import WorkerNode
from jobs.states import RunStatus
from portal.navigation import sidebar
from tests.jobs import rows

pytestmark = pytest.mark.django_db


@pytest.fixture
def viewer() -> Client:
    client = Client()
    client.force_login(rows.user("vi", "viewer"))
    return client


def test_failures_running_and_next_are_shown(viewer) -> None:
    job = rows.job(name="Ledger job")
    rows.run(job, RunStatus.TECHNICAL_FAILURE, reason="It broke.")
    running = rows.run(job, RunStatus.RUNNING)
    rows.schedule(job, at=timezone.now() + timedelta(hours=1))
    response = viewer.get("/admin/")
    assert "It broke." in response.content.decode()
    assert response.context["running"] == [running]
    assert len(response.context["fires"]) == 1


def test_live_part_is_the_same_without_the_frame(viewer) -> None:
    rows.run(rows.job(), RunStatus.TECHNICAL_FAILURE, reason="It broke.")
    page = viewer.get("/admin/?_live=1").content.decode()
    assert "It broke." in page
    assert "<html" not in page


def test_rows_of_other_tenants_are_not_counted(viewer) -> None:
    other = rows.job(of=rows.tenant("other"))
    rows.run(other, RunStatus.TECHNICAL_FAILURE)
    rows.run(other, RunStatus.RUNNING)
    rows.run(other, RunStatus.QUEUED)
    rows.schedule(other)
    context = viewer.get("/admin/").context
    assert (context["today"].total, context["failures"], context["running"], context["fires"]) == (0, [], [], [])


def test_platform_admin_sees_all(client) -> None:
    client.force_login(rows.user("root", "", is_superuser=True))
    rows.run(rows.job(of=rows.tenant("other")), RunStatus.TECHNICAL_FAILURE)
    assert len(client.get("/admin/").context["failures"]) == 1


def test_empty_house_says_what_to_do_first() -> None:
    client = Client()
    client.force_login(rows.user("ed", "editor"))
    assert "/admin/jobs/job/add/" in client.get("/admin/").content.decode()


def test_missing_worker_and_scheduler_are_said(viewer) -> None:
    tones = {part.tone for part in viewer.get("/admin/").context["parts"][:2]}
    assert tones == {"bad"}


def test_live_worker_is_well(viewer) -> None:
    now = timezone.now()
    WorkerNode.objects.create(name="w", slot="w", host="h", pid=1, capacity=4, started_at=now, last_seen_at=now)
    assert viewer.get("/admin/").context["parts"][0].tone == "good"


def count_queries(client: Client) -> int:
    with CaptureQueriesContext(connection) as found:
        client.get("/admin/")
    return len(found)


def test_more_rows_take_no_more_queries(viewer) -> None:
    def grow(count: int) -> None:
        for _ in range(count):
            job = rows.job(f"job-{timezone.now().timestamp()}".replace(".", "-"))
            rows.run(job, RunStatus.RUNNING)
            rows.run(job, RunStatus.TIMED_OUT)
            rows.schedule(job)

    grow(1)
    few = count_queries(viewer)
    grow(9)
    # Freezes, blackouts, outages, approvals, the inbox; and one for each sort of page that a grant could open.
    assert count_queries(viewer) <= few <= 38


def test_who_may_decide_sees_how_many_changes_wait_and_nobody_else() -> None:
    editor, owner = rows.user("ed", "editor"), rows.user("boss", "admin")
    source = DataSource.objects.create(tenant=rows.tenant(), slug="shop", name="Shop", kind="sqlite")
    approvals.ask(source, approvals.Change(statement="delete from items"), actor=editor, affected=9)
    for person, count in ((owner, 1), (editor, 0), (rows.user("vi", "viewer"), 0)):
        client = Client(headers={"accept-language": "en"})
        client.force_login(person)
        response = client.get("/admin/")
        groups = {str(group["title"]): group for group in sidebar(response.wsgi_request)}
        shown = {str(item["title"]): item.get("badge", 0) for item in groups["Data"]["items"]}
        assert (groups["Data"].get("badge", 0), shown["Write approvals"]) == (count, count)
        assert ("1 change of data waits for your word" in response.content.decode()) == bool(count)
