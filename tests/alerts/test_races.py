"""Two passes work on one alert: what each of them stores, the other has read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from alerts import clockwork, consume, evaluate, findings, incidents, notices, rules
from alerts.happenings import happenings
from alerts.models import AlertRule, AlertStatus, Incident, NoticeMemory
from alerts.roster import Roster
from alerts.states import AlertState
from jobs.models import RunEvent
from jobs.states import ReasonCode, RunStatus
from tests.alerts import rows
from tests.alerts.rows import told

LOCKED = 0.7  # seconds: long enough for the other one to be done, were it not kept waiting


class Other:
    """A pass made meanwhile, by another connection."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self.failures: list[Exception] = []
        self._thread = threading.Thread(target=self._work, args=(act,))

    def begin(self) -> None:
        """It gets as far as it can."""
        self._thread.start()
        self._thread.join(LOCKED)

    def end(self) -> None:
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert self.failures == []

    def _work(self, act: Callable[[], Any]) -> None:
        try:
            act()
        except Exception as failure:
            self.failures.append(failure)
        finally:
            connection.close()


def meanwhile(monkeypatch, place: str, other: Other) -> None:
    """The other one begins in the midst of the function of that name, the first time."""
    module, _dot, name = place.rpartition(".")
    functions: dict[str, Callable[..., Any]] = {
        "alerts.consume.look": findings.look,
        "alerts.notices.signal_of": notices.signal_of,
    }
    real = functions[place]

    def act(*args, **kwargs):
        if not other._thread.ident:
            other.begin()
        return real(*args, **kwargs)

    monkeypatch.setattr(f"{module}.{name}", act)


@pytest.mark.django_db(transaction=True)
@pytest.mark.ledger("postgresql", "mysql")
def test_a_result_that_is_being_read_is_not_overdue(job, ops, at, monkeypatch):
    rows.notice(ops, alert_rule=rows.rule(job, policy={"stale_after": "10m"}))
    rows.result(job, 0)
    at(11)
    rows.ended(job, 9, result=rows.table(1))
    clock = Other(clockwork.pass_time)
    meanwhile(monkeypatch, "alerts.consume.look", clock)
    consume.consume_once()
    clock.end()
    assert told() == ["firing"]
    assert list(Incident.objects.values_list("kind", flat=True)) == [AlertState.FIRING]


@pytest.mark.django_db
def test_an_alert_that_is_no_longer_due_is_not_woken(job, ops, at, monkeypatch):
    rows.notice(ops, alert_rule=rows.rule(job, policy={"stale_after": "10m"}))
    rows.result(job, 0)
    at(11)
    real = clockwork._wake_if_due
    results: list[Any] = []

    def after_a_result(*args):
        results.append(results or rows.result(job, 9))
        real(*args)

    monkeypatch.setattr(clockwork, "_wake_if_due", after_a_result)
    clockwork.pass_time()
    assert (told(), AlertStatus.objects.get().state) == ([], AlertState.OK)


@pytest.mark.django_db(transaction=True)
@pytest.mark.ledger("postgresql", "mysql")
def test_two_passes_remember_both_ends_of_a_job(job, ops, monkeypatch):
    rule = rows.notice(ops, ["technical_failure"], job=job, policy={"threshold": 3})
    rows.failed(job, 0)
    first, second = (rows.ended(job, minute, RunStatus.TECHNICAL_FAILURE) for minute in (1, 2))
    events = {run.pk: RunEvent.objects.get(run=run) for run in (first, second)}
    found = {key: happenings([event]) for key, event in events.items()}

    other = Other(partial(_feed, found[second.pk]))
    meanwhile(monkeypatch, "alerts.notices.signal_of", other)
    _feed(found[first.pk])
    other.end()
    assert NoticeMemory.objects.get(rule=rule).memory["count"] == 3
    assert told() == ["technical_failure"]


def _feed(found):
    with transaction.atomic():
        consume.feed_happenings(found)


@pytest.mark.django_db(transaction=True)
@pytest.mark.ledger("postgresql", "mysql")
def test_two_alerts_open_one_incident_together(ops, monkeypatch):
    checks = [rows.sql_job(f"check-{number}") for number in range(2)]
    for each in checks:
        rows.notice(ops, alert_rule=rows.rule(each, each.slug))
    runs = [rows.ended(each, 0, RunStatus.TECHNICAL_FAILURE, reason_code=ReasonCode.CONNECTION) for each in checks]
    found = [happenings([RunEvent.objects.get(run=run)]) for run in runs]
    other = Other(partial(_feed, found[1]))
    real = incidents._open

    def open_late(part):
        if not other._thread.ident:
            other.begin()
        return real(part)

    monkeypatch.setattr(incidents, "_open", open_late)
    _feed(found[0])
    other.end()
    assert Incident.objects.get().members.count() == 2
    assert set(AlertStatus.objects.values_list("state", flat=True)) == {AlertState.ERROR}
    assert told() == ["error"]
    assert "crashed" not in str(list(AlertStatus.objects.values_list("sentence", flat=True)))


# --- rules that are changed while a batch is read ---------------------------------------------------------------------


def while_it_is_read(monkeypatch, change: Callable[[], Any]) -> None:
    """Somebody changes something after the batch has read its rules."""
    real = Roster.of

    def read(jobs):
        found = real(list(jobs))
        change()
        return found

    monkeypatch.setattr(Roster, "of", read)


@pytest.fixture
def firing(job, ops):
    rule = rows.rule(job)
    rows.notice(ops, alert_rule=rule)
    rows.result(job, 0, 1)
    rows.ended(job, 1, result=rows.table(1))
    return rule


def open_count() -> int:
    return Incident.objects.filter(resolved_at=None).count()


@pytest.mark.django_db
def test_a_rule_that_was_just_disabled_gets_no_incident_back(firing, at, monkeypatch):
    at(2)
    while_it_is_read(monkeypatch, lambda: rules.disable_rule(AlertRule.objects.get(), actor=None))
    rows.drain()
    assert (open_count(), told()) == (0, ["firing"])


@pytest.mark.django_db
def test_a_rule_that_was_just_begun_anew_remembers_nothing(firing, at, monkeypatch):
    at(2)

    def off_and_on():
        rules.disable_rule(AlertRule.objects.get(), actor=None)
        rules.enable_rule(AlertRule.objects.get(), actor=None)

    while_it_is_read(monkeypatch, off_and_on)
    rows.drain()
    assert (open_count(), AlertStatus.objects.get().state) == (0, AlertState.OK)


@pytest.mark.django_db
def test_a_rule_that_was_just_changed_judges_by_what_it_says_now(firing, at, monkeypatch):
    at(2)

    def change():
        rule = AlertRule.objects.get()
        rule.condition_params = {"operator": ">", "threshold": "5"}
        rules.save_rule(rule, actor=None)

    while_it_is_read(monkeypatch, change)
    rows.drain()
    assert (open_count(), AlertStatus.objects.get().state) == (0, AlertState.OK)


@pytest.mark.django_db
def test_a_rule_that_looks_at_other_jobs_now_is_not_concerned(job, at, monkeypatch):
    at(1)
    rows.rule(job, job=None, source="outcome", outcomes=["timeout"], selector={"jobs": [job.slug]})
    rows.ended(job, 0, RunStatus.TIMED_OUT)

    def change():
        rule = AlertRule.objects.get()
        rule.selector = {"jobs": ["other"]}
        rules.save_rule(rule, actor=None)

    while_it_is_read(monkeypatch, change)
    rows.drain()
    assert not AlertStatus.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("is_known", [True, False])
def test_a_rule_that_was_just_deleted_harms_nothing(job, ops, monkeypatch, is_known):
    rows.rule(job)
    if is_known:
        rows.result(job, 0)
    rows.ended(job, 1, result=rows.table(1))
    while_it_is_read(monkeypatch, lambda: rules.delete_rule(AlertRule.objects.get(), actor=None))
    rows.drain()
    assert not RunEvent.objects.filter(processed_at=None).exists()
    assert (open_count(), AlertStatus.objects.count()) == (0, 0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.ledger("postgresql", "mysql")
@pytest.mark.parametrize("is_known", [True, False])
def test_who_disables_a_rule_waits_for_the_event_that_is_read(job, ops, monkeypatch, is_known):
    rule = rows.rule(job)
    if is_known:
        rows.result(job, 0)
    rows.ended(job, 1, result=rows.table(1))
    other = Other(partial(rules.disable_rule, AlertRule.objects.get(), actor=None))
    meanwhile(monkeypatch, "alerts.consume.look", other)
    consume.consume_once()
    other.end()
    rule.refresh_from_db()
    assert (rule.is_enabled, Incident.objects.count(), open_count()) == (False, 1, 0)


# --- passes that give way ---------------------------------------------------------------------------------------------

DEADLOCK = OperationalError(1213, "Deadlock found when trying to get lock; try restarting transaction")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("place", ["alerts.consume.look", "alerts.evaluate._remember"])
def test_a_pass_that_gives_way_is_made_again(job, ops, at, monkeypatch, place):
    rows.notice(ops, alert_rule=rows.rule(job, policy={"stale_after": "10m"}))
    rows.result(job, 0)
    module, _dot, name = place.rpartition(".")
    functions: dict[str, Callable[..., Any]] = {"look": findings.look, "_remember": evaluate._remember}
    real = functions[name]
    tries: list[int] = []

    def gives_way(*args, **kwargs):
        tries.append(1)
        if len(tries) == 1:
            raise DEADLOCK
        return real(*args, **kwargs)

    monkeypatch.setattr(f"{module}.{name}", gives_way)
    if name == "look":
        rows.ended(job, 1, result=rows.table(1))
        assert consume.consume_once() == 1
        assert told() == ["firing"]
    else:
        at(11)
        clockwork.pass_time()
        assert told() == ["stale"]
