"""Rotas: members in their order, the first handover on the rota's own clock, who is on call; and escalation."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Membership
from alerts import escalation, oncall
from alerts.models import EscalationPolicy, OnCallOverride, OnCallRota, RuleBook
from tests.alerts.admin import rows
from tests.jobs import rows as jobs

pytestmark = pytest.mark.django_db
LIST = "/admin/alerts/oncallrota/"
POLICIES = "/admin/alerts/escalationpolicy/"


def posted(**fields):
    base = {"name": "Database team", "slug": "", "members": "ann\nbob", "timezone": "America/New_York",
            "starts": "2026-11-02T09:00", "shift_length": "1w", "overrides-TOTAL_FORMS": "0",
            "overrides-INITIAL_FORMS": "0"}  # fmt: skip
    return {**base, **fields}


@pytest.fixture
def people(db):
    return {name: jobs.user(name) for name in ("ann", "bob")}


def rota(people, **fields):
    values = {"name": "R", "slug": "r", "members": [one.pk for one in people.values()], "timezone": "UTC",
              "starts": datetime(2026, 11, 2, 9, tzinfo=UTC), "tenant": jobs.tenant()}  # fmt: skip
    return OnCallRota.objects.create(**{**values, **fields})


def test_the_first_handover_is_on_the_clock_of_the_rota(editor, people) -> None:
    response = editor.post(f"{LIST}add/", posted())
    assert response.status_code == 302, response.context["adminform"].form.errors
    row = OnCallRota.objects.get()
    assert row.starts == datetime(2026, 11, 2, 14, tzinfo=UTC)
    assert row.members == [people["ann"].pk, people["bob"].pk]
    assert RuleBook.objects.get().version == 1
    form = editor.get(f"{LIST}{row.pk}/change/").context["adminform"].form
    assert 'value="2026-11-02T09:00"' in str(form["starts"])
    assert form["members"].value() == "ann\nbob"


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"members": "ann\nnobody"}, "members"),
        ({"members": ""}, "members"),
        ({"timezone": "Mars/Base"}, "timezone"),
        ({"shift_length": "10m"}, "shift_length"),
        ({"starts": "soon"}, "starts"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(editor, people, fields, place) -> None:
    response = editor.post(f"{LIST}add/", posted(**fields))
    assert place in response.context["adminform"].form.errors
    assert OnCallRota.objects.count() == 0


def test_a_member_of_another_tenant_is_none(editor, people) -> None:
    jobs.user("eve", of=jobs.tenant("other"))
    response = editor.post(f"{LIST}add/", posted(members="eve"))
    assert "eve" in response.context["adminform"].form.errors["members"][0]


def test_who_is_on_call_now_and_next_with_a_stand_in(people) -> None:
    row = rota(people)
    now = datetime(2026, 11, 3, tzinfo=UTC)
    OnCallOverride.objects.create(
        rota=row, user=people["bob"], starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=1)
    )
    found = oncall.duties(row, now, 3)
    assert [(str(one.person), one.is_override, one.is_now) for one in found] == [
        ("bob", True, True), ("ann", False, False), ("bob", False, False), ("ann", False, False),
    ]  # fmt: skip
    assert escalation.user_on_call(row, now) == people["bob"]


def test_who_has_left_the_tenant_is_nobody(people) -> None:
    row = rota(people)
    Membership.objects.filter(user=people["ann"]).delete()
    assert oncall.duties(row, datetime(2026, 11, 3, tzinfo=UTC), 1)[0].person is None


def test_the_page_shows_the_next_shifts(editor, people) -> None:
    row = rota(people, starts=timezone.now() - timedelta(days=1))
    text = editor.get(f"{LIST}{row.pk}/change/").content.decode()
    assert text.count("<tr") >= 11
    assert "Who is on call" in text


# --- escalation -------------------------------------------------------------------------------------------------------


def test_more_rotas_take_no_more_statements(editor, people) -> None:
    made = rota(people)
    made.overrides.create(user=people["bob"], starts_at=timezone.now(), ends_at=timezone.now() + timedelta(hours=1))
    editor.get(LIST)  # what is read once for all pages
    counts = []
    for number in range(3):
        with CaptureQueriesContext(connection) as found:
            page = editor.get(LIST).content.decode()
        counts.append(len(found))
        rota(people, slug=f"more{number}")
    assert counts[0] == counts[1] == counts[2]
    assert "ann, bob" in page


def test_a_rota_of_an_unknown_zone_breaks_no_page(editor, people) -> None:
    broken = rota(people, timezone="Mars/Olympus")
    assert "nobody" in editor.get(LIST).content.decode()
    assert editor.get(f"{LIST}{broken.pk}/change/").status_code == 200


def test_a_rota_of_an_unknown_zone_has_nobody_on_call_and_says_so(people, caplog) -> None:
    assert escalation.user_on_call(rota(people, timezone="Mars/Olympus"), timezone.now()) is None
    assert "time zone" in caplog.text


def policy(*steps, **fields):
    values = {"name": "Night", "slug": "", "repeat_count": "1", "ack_timeout": "", "steps-TOTAL_FORMS": str(len(steps)),
              "steps-INITIAL_FORMS": "0"}  # fmt: skip
    for place, step in enumerate(steps):
        values |= {f"steps-{place}-{name}": value for name, value in step.items()}
    return {**values, **fields}


def test_steps_tell_channels_and_who_is_on_call(editor, people) -> None:
    channel, row = rows.channel(), rota(people)
    steps = ({"number": "1", "wait": "0s", "channels": [channel.pk]}, {"number": "2", "wait": "15m", "rota": row.pk})
    response = editor.post(f"{POLICIES}add/", policy(*steps, ack_timeout="4h"))
    assert response.status_code == 302, response.context["errors"]
    made = EscalationPolicy.objects.get()
    assert made.ack_timeout == timedelta(hours=4)
    assert [(step.wait, list(step.channels.all()), step.rota) for step in made.steps.all()] == [
        (timedelta(0), [channel], None),
        (timedelta(minutes=15), [], row),
    ]
    assert "0s → 15m" in editor.get(POLICIES).content.decode()


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ((), "Add a step"),
        (({"number": "1", "wait": "0s"},), "tells nobody"),
        (({"number": "1", "wait": "soon", "rota": "x"},), "not a duration"),
    ],
)
def test_a_policy_that_tells_nobody_is_refused(editor, steps, words) -> None:
    response = editor.post(f"{POLICIES}add/", policy(*steps))
    assert words in response.content.decode()
    assert EscalationPolicy.objects.count() == 0


def test_a_foreign_channel_or_rota_is_no_choice(editor, people) -> None:
    theirs = rows.channel("theirs", jobs.tenant("other"))
    response = editor.post(f"{POLICIES}add/", policy({"number": "1", "wait": "0s", "channels": [theirs.pk]}))
    assert response.status_code == 200
    assert EscalationPolicy.objects.count() == 0
