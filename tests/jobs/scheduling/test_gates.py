"""Gates: each may skip a fire time with a reason, or let its run start later."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs.reasons import say
from jobs.scheduling.due import Due, DueJob
from jobs.scheduling.gates import OverlapGate, Passage, gates_for, jitter_gate, jitter_share, pass_through
from jobs.states import ReasonCode

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
JITTER = timedelta(minutes=5)


def due(pk: int = 1, jitter: timedelta = JITTER, **of_job: Any) -> Due:
    job: dict[str, Any] = {"pk": 7, "tenant_id": 1, "tenant_is_active": True, "is_enabled": True, "archived_at": None}
    job |= {"revision_id": 3, "overlap": "allow", "overlap_limit": 1, "queue": "default", "priority": 0}
    job |= {"fan_out": ""}
    schedule: dict[str, Any] = {"kind": "interval", "expression": "1m", "timezone": "UTC", "misfire": "run_once"}
    schedule |= {
        "grace": JITTER,
        "is_enabled": True,
        "anchor_at": NOON,
        "cursor_at": NOON - MINUTE,
        "next_fire_at": NOON,
    }
    return Due(pk=pk, job=DueJob(**job | of_job), jitter=jitter, **schedule)


def passage(at: datetime = NOON, now: datetime = NOON) -> Passage:
    return Passage(at=at, not_before=now)


def test_without_a_jitter_a_run_may_start_at_once():
    assert jitter_gate(due(jitter=timedelta(0)), passage()) == passage()


def test_a_fire_time_in_time_waits_its_share_and_the_same_one_always_waits_equally_long():
    on_time = jitter_gate(due(), passage())
    a_second_later = jitter_gate(due(), passage(now=NOON + timedelta(seconds=1)))
    assert NOON <= on_time.not_before < NOON + JITTER
    assert a_second_later.not_before == max(on_time.not_before, NOON + timedelta(seconds=1))
    assert on_time.at == NOON


def test_other_schedules_and_other_moments_wait_differently():
    waits = {jitter_gate(due(pk), passage()).not_before for pk in range(50)}
    moments = {jitter_gate(due(), passage(NOON + n * MINUTE, NOON + n * MINUTE)).not_before.second for n in range(50)}
    assert len(waits) == 50
    assert len(moments) > 20


def test_shares_are_even():
    shares = [jitter_share(pk, "") for pk in range(2000)]
    for tenth in range(10):
        assert 140 < sum(tenth <= share * 10 < tenth + 1 for share in shares) < 260


def test_catching_up_stays_in_order_and_is_spread_from_now_on():
    late = [jitter_gate(due(), passage(NOON - timedelta(hours=hours))).not_before for hours in (3, 2, 1)]
    assert late == sorted(late)
    assert all(NOON <= moment < NOON + JITTER for moment in late)


def test_the_first_reason_ends_the_way_and_no_later_gate_counts_it():
    overlap = OverlapGate()
    seen: list[str] = []

    def closed(schedule: Due, fire: Passage) -> Passage:
        seen.append("closed")
        return fire.skipped(say(ReasonCode.CALENDAR))

    first = pass_through([closed, overlap], due(overlap="skip"), passage())
    second = pass_through([overlap], due(overlap="skip"), passage())
    assert first.reason is not None
    assert first.reason.code == ReasonCode.CALENDAR
    assert second.reason is None


@pytest.mark.parametrize(
    ("of_job", "code", "key"),
    [
        ({"tenant_is_active": False}, ReasonCode.TENANT_DISABLED, "tenant_disabled.when_due"),
        ({"overlap": "skip", "blocker": 42}, ReasonCode.OVERLAP, "overlap"),
        ({"overlap": "queue", "active": 2}, ReasonCode.OVERLAP_QUEUE_FULL, "overlap_queue_full"),
    ],
)
def test_why_a_fire_time_is_skipped(of_job, code, key):
    schedule = due(**of_job)
    reason = pass_through(gates_for([schedule], now=NOON), schedule, passage()).reason
    assert reason is not None
    assert (reason.code, reason.key) == (code, key)
    assert reason.text
    assert "%" not in reason.text


def test_two_schedules_of_a_job_at_one_moment_make_one_run():
    schedules = [due(1, overlap="skip"), due(2, overlap="skip")]
    gates = gates_for(schedules, now=NOON)
    one, two = [pass_through(gates, schedule, passage()) for schedule in schedules]
    assert one.reason is None
    assert two.reason is not None
    assert two.reason.key == "overlap.same_moment"
