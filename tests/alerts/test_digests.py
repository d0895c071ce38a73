"""Held messages, and many as one."""

from datetime import timedelta

import pytest

from alerts import digests
from alerts.parcels import message_of
from alerts.states import NotificationStatus as N
from jobs import dbclock
from tests.alerts.postrows import Witness, channel, drain, notification, status, subjects

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("witness")]


def held(on, subject="Disk full", **fields):
    return notification(on, subject, status=N.HELD, why={"msgid": "Quiet hours."}, **fields)


def test_a_held_message_goes_out_when_its_time_has_come():
    row = held(channel())
    drain()
    assert (status(row), subjects()) == (N.SENT, ["Disk full"])


def test_before_that_it_stays():
    row = held(channel(), not_before=dbclock.now() + timedelta(minutes=5))
    drain()
    assert (status(row), Witness.taken) == (N.HELD, [])


def test_what_is_not_due_waits_behind_what_is():
    on = channel()
    later = held(on, "Later", not_before=dbclock.now() + timedelta(minutes=5))
    held(on, "Now")
    drain()
    assert (status(later), subjects()) == (N.HELD, ["Now"])


def test_messages_for_different_people_stay_apart():
    on = channel()
    for name in ("an@example.com", "bo@example.com"):
        held(on, f"For {name}", digest_key="d1", recipients=[name])
    drain()
    assert sorted(subjects()) == ["For an@example.com", "For bo@example.com"]


def test_what_belongs_together_is_one_message_that_names_all():
    on = channel()
    first = held(on, "One", digest_key="d1", body="first body")
    second = held(on, "Two", digest_key="d1", severity="critical")
    third = held(on, "Three", digest_key="d1")
    drain()
    assert subjects() == ["3 messages: One"]
    first.refresh_from_db()
    assert all(word in first.body for word in ("One", "Two", "Three", "first body"))
    assert (first.status, first.severity) == (N.SENT, "critical")
    assert [event["subject"] for event in first.facts["events"]] == ["One", "Two", "Three"]
    for row in (second, third):
        assert status(row) == N.SUPPRESSED
        assert row.why["number"] == first.pk


def told(incident, job="stock", **fields):
    url = f"https://portal.example.com/admin/alerts/incident/{incident}/change/"
    facts = {"tenant": "shop", "job": job, "run": incident + 100, "incident": incident, "url": url}
    return {"facts": {**facts, "acknowledge_url": f"{url}ack/", **fields}, "digest_key": "d1"}


def test_a_digest_of_several_incidents_acknowledges_none_and_leads_to_all():
    on = channel()
    first, _second = held(on, "One", **told(1)), held(on, "Two", **told(2))
    drain()
    first.refresh_from_db()
    events = first.facts.pop("events")
    assert first.facts == {"tenant": "shop", "job": "stock", "url": "http://127.0.0.1:8000/admin/alerts/incident/"}
    assert all(event["facts"]["acknowledge_url"] == event["facts"]["url"] + "ack/" for event in events)
    assert [event["facts"]["incident"] for event in events] == [1, 2]
    assert message_of(first).actions == ()


def test_a_digest_of_one_incident_still_acknowledges_it():
    on = channel()
    first, _second = held(on, "One", **told(1, run=5)), held(on, "Again", **told(1, run=6))
    drain()
    first.refresh_from_db()
    assert first.facts["url"].endswith("/incident/1/change/")
    assert "run" not in first.facts
    assert [action.url for action in message_of(first).actions] == [first.facts["acknowledge_url"]]


def test_different_digests_and_channels_stay_apart():
    one, other = channel("one"), channel("other")
    for on in (one, other):
        for key in ("d1", "d2"):
            held(on, f"{on.slug} {key} a", digest_key=key)
            held(on, f"{on.slug} {key} b", digest_key=key)
    drain()
    assert len(subjects()) == 4


def test_a_digest_of_one_is_that_message():
    held(channel(), digest_key="d1")
    drain()
    assert subjects() == ["Disk full"]


def test_a_digest_of_very_many_is_cut_with_a_count():
    on = channel()
    rows = [notification(on, f"m{place}", status=N.HELD, body="x" * 1000) for place in range(120)]
    subject, body = digests.digest_of(rows)
    assert subject == "120 messages: m0"
    assert len(body) < 62_000
    assert "more" in body.splitlines()[-1]
