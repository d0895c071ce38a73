"""Claims and marks: who holds a message, and what a late sender may still write."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts import leases, marks
from alerts.models import Notification
from alerts.parcels import Outcome, stored_sentence
from alerts.states import NotificationStatus as N
from alerts.transports import DeliveryError, Receipt, Refusal
from jobs import dbclock
from tests.alerts.postrows import Witness, channel, drain, later, notification, status

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("witness")]


def claim(on, count=10):
    return leases.claim(on.pk, count, now=dbclock.now(), sender="other/7")


def settle(*outcomes):
    now = dbclock.now()
    return marks.settle(outcomes, now=now, times={each.parcel.id: (now, now) for each in outcomes})


def taken(parcel):
    return Outcome(parcel=parcel, began=0.0, ended=1.0, receipt=Receipt(remote_id="late"))


def test_two_claims_never_hold_the_same_message():
    on = channel()
    rows = [notification(on) for _ in range(5)]
    first, second = claim(on, 3), claim(on, 3)
    assert sorted(parcel.id for parcel in [*first, *second]) == sorted(row.pk for row in rows)


def test_a_late_mark_of_a_sender_that_lost_its_lease_changes_nothing():
    on = channel()
    row = notification(on)
    [late] = claim(on)
    later(row, lease_until=timedelta(seconds=1))
    leases.reap(dbclock.now())
    [again] = claim(on)
    assert again.token == late.token + 1
    assert settle(taken(late)) == 0
    assert status(row) == N.SENDING
    assert settle(taken(again)) == 1
    assert status(row) == N.SENT


@pytest.mark.parametrize(
    "came_of_it",
    [
        {"error": DeliveryError("It is down.", is_permanent=True)},
        {"receipt": Receipt(refused=(Refusal(recipient="bo@example.com", sentence="No.", is_permanent=True),))},
    ],
)
def test_a_failure_that_comes_while_another_office_claims_changes_nothing(came_of_it, monkeypatch):
    on = channel(fallback=channel("second"))
    row = notification(on)
    [late] = claim(on)
    made = stored_sentence

    def claimed_meanwhile(text):
        Notification.objects.filter(pk=row.pk).update(token=late.token + 1)
        return made(text)

    monkeypatch.setattr(marks, "stored_sentence", claimed_meanwhile)
    assert settle(Outcome(parcel=late, began=0.0, ended=1.0, **came_of_it)) == 0
    assert (status(row), row.why, row.first_failed_at) == (N.SENDING, {}, None)
    assert row.attempts.get().ended_at is None
    assert not row.stand_ins.exists()


def test_a_mark_counts_while_nobody_has_taken_over():
    on = channel()
    row = notification(on)
    [parcel] = claim(on)
    later(row, lease_until=timedelta(seconds=1))
    assert settle(taken(parcel)) == 1
    assert status(row) == N.SENT


def test_an_ended_lease_gives_the_message_to_the_next_with_the_same_id():
    on = channel()
    row = notification(on)
    claim(on)
    later(row, lease_until=timedelta(seconds=1))
    drain()
    assert status(row) == N.SENT
    assert Witness.taken == [(str(row.delivery_id), "Disk full", None)]
    first, second = row.attempts.order_by("number")
    assert (first.is_ok, second.is_ok) == (None, True)
    assert first.ended_at
    assert "Nobody knows" in first.problem["msgid"]


def test_a_message_that_ends_its_senders_waits_and_is_given_up_after_a_day():
    on = channel()
    row = notification(on, tries=3)
    claim(on)
    later(row, lease_until=timedelta(seconds=1))
    leases.reap(dbclock.now())
    assert status(row) == N.PENDING
    assert row.not_before > dbclock.now() + timedelta(minutes=1)
    later(row, not_before=timedelta(seconds=1))
    claim(on)
    later(row, lease_until=timedelta(seconds=1), first_failed_at=timedelta(hours=25))
    leases.reap(dbclock.now())
    assert status(row) == N.DEAD


def test_what_is_given_back_has_used_no_try():
    on = channel()
    row = notification(on)
    [parcel] = claim(on)
    assert leases.give_back([parcel], now=dbclock.now()) == 1
    assert (status(row), row.tries, row.attempts.count()) == (N.PENDING, 0, 0)


def test_what_somebody_else_has_by_now_can_not_be_given_back():
    on = channel()
    row = notification(on)
    [parcel] = claim(on)
    Notification.objects.filter(pk=row.pk).update(token=9)
    assert leases.give_back([parcel], now=dbclock.now()) == 0
    assert status(row) == N.SENDING


def test_renewing_moves_the_lease_of_what_is_still_held():
    on = channel()
    rows = [notification(on), notification(on)]
    parcels = claim(on)
    Notification.objects.filter(pk=rows[0].pk).update(token=9)
    soon = dbclock.now() + timedelta(seconds=20)
    assert leases.renew(parcels, now=soon) == {rows[1].pk}
    rows[1].refresh_from_db()
    assert rows[1].lease_until == soon + leases.lease()


def test_what_is_critical_goes_before_the_rest_of_its_channel():
    on = channel()
    plain = [notification(on, f"p{place}") for place in range(20)]
    first, second = (notification(on, name, severity="critical") for name in ("first", "second"))
    later(first, not_before=timedelta(milliseconds=500))
    later(second, not_before=timedelta(milliseconds=400))
    assert [parcel.id for parcel in claim(on, 4)] == [first.pk, second.pk, plain[0].pk, plain[1].pk]
    assert [parcel.id for parcel in claim(on, 4)] == [row.pk for row in plain[2:6]]


def test_what_is_critical_and_not_due_waits():
    on = channel()
    rows = [notification(on) for _ in range(3)]
    notification(on, severity="critical", not_before=dbclock.now() + timedelta(minutes=1))
    assert [parcel.id for parcel in claim(on, 2)] == [row.pk for row in rows[:2]]


def test_a_short_queue_is_not_looked_through():
    short, full = channel("short"), channel("full")
    notification(short)
    notification(full)
    with CaptureQueriesContext(connection) as of_short:
        claim(short, 2)
    with CaptureQueriesContext(connection) as of_full:
        claim(full, 1)
    assert len(of_short) == len(of_full) - 1  # the look for critical ones among the next
