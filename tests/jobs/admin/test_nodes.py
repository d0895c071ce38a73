"""The pages of workers and queues, which are the platform's."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEntry
from jobs import queues
from jobs.models import Queue, Run, WorkerNode
from jobs.states import RunStatus
from tests.jobs import rows
from tests.jobs.engine.rows import node

pytestmark = pytest.mark.django_db
NODES, QUEUES = reverse("admin:jobs_workernode_changelist"), reverse("admin:jobs_queue_changelist")


@pytest.fixture
def root() -> Client:
    client = Client()
    client.force_login(rows.user("root", "", is_superuser=True))
    return client


def of(name: str, row: WorkerNode) -> str:
    return reverse(f"admin:jobs_workernode_{name}", args=[row.pk])


def names(page) -> set[str]:
    return {row.name for row in page.context["cl"].result_list}


@pytest.fixture
def five() -> None:
    now = timezone.now()
    node("busy", running_count=2)
    node("idle")
    node("held", drain_requested_at=now)
    node("silent", last_seen_at=now - timedelta(days=1))
    node("gone", stopped_at=now)


def test_the_list_hides_stopped_workers_and_counts_the_states(root, five) -> None:
    page = root.get(NODES)
    assert names(page) == {"busy", "idle", "held", "silent"}
    assert [(row[0], row[-1]) for row in page.context["state_counts"]] == [
        ("active", 1), ("idle", 1), ("draining", 1), ("offline", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("active", {"busy"}),
        ("idle", {"idle"}),
        ("draining", {"held"}),
        ("offline", {"silent"}),
        ("stopped", {"gone"}),
        ("all", {"busy", "idle", "held", "silent", "gone"}),
    ],
)
def test_the_list_is_filtered_by_state(root, five, state, found) -> None:
    assert names(root.get(NODES, {"state": state})) == found


def test_the_list_is_filtered_by_queue(root, five) -> None:
    node("slow", queues=["slow"])
    assert names(root.get(NODES, {"queue": "slow"})) == {"slow"}


def test_the_page_shows_what_runs_what_ran_and_why_it_takes_no_more(root) -> None:
    busy = {"key": "node_busy.cpu", "worker": "w1", "percent": 95, "limit": 80}
    history = [[1, 10, 20, 0], [2, 90, 30, 1]]
    worker = node(gate_reason="busy", gate_reason_args=busy, history=history, capabilities=["sql", "driver:mysql"])
    running = rows.run(rows.job(), RunStatus.RUNNING, worker=worker)
    ended = rows.run(rows.job("other"))
    rows.attempt(ended, worker=worker)
    page = root.get(of("change", worker)).content.decode()
    for text in (f"#{running.pk}", f"#{ended.pk}", "CPU at 95 %", "driver:mysql", "highest 90 %"):
        assert text in page


def test_a_history_that_cannot_be_read_leaves_the_page_whole(root) -> None:
    assert root.get(of("change", node(history=[["x"], 3]))).status_code == 200


def test_an_unknown_worker_is_not_found(root) -> None:
    for key in ("999999", "x", "9" * 40):
        assert root.get(reverse("admin:jobs_workernode_change", args=[key])).status_code == 404


def test_drain_and_resume_are_asked_for_and_audited(root) -> None:
    worker = node()
    root.post(of("drain", worker), {"drain": "1"})
    worker.refresh_from_db()
    assert worker.drain_requested_at is not None
    root.post(of("drain", worker), {"drain": "0"})
    worker.refresh_from_db()
    assert worker.drain_requested_at is None
    assert list(AuditEntry.objects.order_by("pk").values_list("verb", flat=True))[-2:] == [
        "jobs.node.drained",
        "jobs.node.resumed",
    ]


def test_chosen_workers_are_drained_at_once(root, five) -> None:
    keys = [str(row.pk) for row in WorkerNode.objects.filter(name__in=["busy", "idle"])]
    root.post(NODES, {"action": "drain_chosen", "_selected_action": keys})
    assert WorkerNode.objects.filter(drain_requested_at__isnull=False).count() == 3


@pytest.mark.parametrize("role", ["admin", "editor", "viewer"])
def test_tenant_staff_see_and_manage_neither_workers_nor_queues(as_role, role) -> None:
    client, worker = as_role(role), node()
    assert client.get(NODES).status_code == 403
    assert client.get(QUEUES).status_code == 403
    assert client.get(of("change", worker)).status_code == 403
    client.post(of("drain", worker), {"drain": "1"})
    client.post(reverse("admin:jobs_queue_pause"), {"name": "default", "paused": "1"})
    worker.refresh_from_db()
    assert (worker.drain_requested_at, Queue.objects.count()) == (None, 0)


def test_the_queues_page_lists_every_queue_in_use(root) -> None:
    rows.run(rows.job(queue="slow"), RunStatus.QUEUED)
    Queue.objects.create(name="quiet", running_limit=3)
    node()
    page = root.get(QUEUES)
    found = {state.name: state for state in page.context["states"]}
    assert set(found) == {"slow", "quiet", "default"}
    assert (found["slow"].queued, found["slow"].is_unserved, found["default"].workers) == (1, True, 1)
    assert "No live worker serves the queue “slow”" in page.content.decode()


def test_a_queue_is_paused_and_goes_on_though_it_had_no_row(root) -> None:
    pause = reverse("admin:jobs_queue_pause")
    root.post(pause, {"name": "default", "paused": "1"})
    assert Queue.objects.get(name="default").is_paused
    root.post(pause, {"name": "default", "paused": "0"})
    assert not Queue.objects.get(name="default").is_paused


def test_a_name_that_no_queue_can_have_is_refused_in_words(root) -> None:
    answer = root.post(reverse("admin:jobs_queue_pause"), {"name": "No Such!", "paused": "1"}, follow=True)
    assert "small letters" in answer.content.decode()
    assert not Queue.objects.exists()


def test_a_limit_is_set_changed_and_deleted(root) -> None:
    root.post(reverse("admin:jobs_queue_add"), {"name": "slow", "description": "", "running_limit": "2"})
    row = Queue.objects.get(name="slow")
    assert row.running_limit == 2
    root.post(reverse("admin:jobs_queue_change", args=[row.pk]), {"name": "other", "running_limit": "5"})
    row.refresh_from_db()
    assert (row.name, row.running_limit) == ("slow", 5)
    assert queues.limits_of(["slow"])["slow"].running_limit == 5
    root.post(reverse("admin:jobs_queue_delete", args=[row.pk]), {"post": "yes"})
    assert not Queue.objects.exists()


def test_a_limit_of_nothing_is_refused(root) -> None:
    answer = root.post(reverse("admin:jobs_queue_add"), {"name": "slow", "running_limit": "0"})
    assert answer.status_code == 200
    assert not Queue.objects.exists()


def test_the_page_of_a_thousand_workers_asks_few_questions(root, django_assert_max_num_queries) -> None:
    now = timezone.now()
    WorkerNode.objects.bulk_create(
        WorkerNode(name=f"w{n}", slot=f"h/w{n}", host="h", pid=n, capacity=4, queues=["default"], started_at=now,
                   last_seen_at=now)
        for n in range(1000)
    )  # fmt: skip
    with django_assert_max_num_queries(16):
        page = root.get(NODES)
    assert len(page.context["cl"].result_list) == 50
    assert Run.objects.count() == 0
