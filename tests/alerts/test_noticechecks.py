"""What speaks against a notification rule, by column."""

from __future__ import annotations

from typing import Any

import pytest

from alerts import noticechecks
from alerts.models import AlertRule, Channel, NotificationRule
from jobs.models import Job
from tests.jobs import rows

pytestmark = pytest.mark.django_db
NIGHT = {"weekdays": [0], "starts": "22:00", "ends": "07:00"}


def notice(**columns: Any) -> NotificationRule:
    values = {"name": "N", "triggers": ["lost", "recovered"]}
    return NotificationRule(tenant=rows.tenant(), **{**values, **columns})


def channels() -> list[Channel]:
    return [Channel(tenant=rows.tenant(), slug="mail")]


def alert() -> AlertRule:
    return AlertRule(tenant=rows.tenant(), slug="a")


@pytest.mark.parametrize(
    ("columns", "path", "words"),
    [
        ({"triggers": []}, "triggers", "otherwise nothing is told"),
        ({"triggers": ["lost", "full_moon"]}, "triggers[1]", "Choose one of: success"),
        ({"policy": {"threshold": 0}}, "policy.threshold", "1 or more"),
        ({"policy": {"triggers": ["lost"]}}, "policy.triggers", "no setting named “triggers”"),
        ({"selector": {"labels": ["a b"]}}, "selector.labels", "no label"),
        ({"quiet_hours": {"spans": []}}, "quiet_hours.spans", "at least 1 entry"),
        ({"quiet_hours": {"spans": [{**NIGHT, "ends": "x"}]}}, "quiet_hours.spans[0].ends", "can't be used"),
        ({"quiet_hours": {"spans": [NIGHT], "timezone": "Mars"}}, "quiet_hours.timezone", "no time zone “Mars”"),
        ({"digest": {"every": "7m"}}, "digest.every", "evenly"),
        ({"subject_template": "{{ task_nam }}"}, "subject_template", "task_name"),
        ({"subject_template": "a\nb"}, "subject_template", "one line"),
        ({"subject_template": "{{ ack_url }}"}, "subject_template", "whoever may look"),
        ({"body_template": "{% if %}"}, "body_template", "not known here"),
    ],
)
def test_what_is_wrong_is_said_by_column(columns: dict[str, Any], path: str, words: str) -> None:
    (found,) = noticechecks.clean(notice(**columns), channels())
    assert found.path == path
    assert words in found.message


def test_an_alert_has_no_runs() -> None:
    (found,) = noticechecks.clean(notice(alert_rule=alert(), triggers=["lost"]), channels())
    assert (found.path, "no runs" in found.message) == ("triggers", True)
    assert noticechecks.clean(notice(alert_rule=alert(), triggers=["lost", "firing"]), channels()) == []


def test_one_rule_is_about_one_thing() -> None:
    job = Job(tenant=rows.tenant(), slug="j")
    made = notice(alert_rule=alert(), job=job, selector={"jobs": ["x"]}, triggers=["firing"])
    assert [one.path for one in noticechecks.clean(made, channels())] == ["alert_rule"]
    assert made.selector == {}


def test_without_a_channel_it_must_be_off() -> None:
    assert [one.path for one in noticechecks.clean(notice(), [])] == ["channels"]
    assert noticechecks.clean(notice(is_enabled=False), []) == []


def test_a_channel_of_another_tenant_is_none() -> None:
    theirs = Channel(tenant=rows.tenant("other"), slug="mail")
    assert [one.path for one in noticechecks.clean(notice(), [theirs])] == ["channels"]


def test_what_is_kept_is_in_the_form_of_a_row() -> None:
    made = notice(policy={"threshold": 1, "repeat": "once"}, digest={"every": "60m"}, body_template="a\r\nb",
                  quiet_hours={"spans": [NIGHT]}, triggers=["lost", "lost"])  # fmt: skip
    assert noticechecks.clean(made, channels()) == []
    assert (made.policy, made.body_template, made.triggers) == ({"repeat": "once"}, "a\nb", ["lost"])
    assert made.digest == {"every": "1h", "starts": "00:00:00", "timezone": "UTC", "lets_through": "critical"}
    assert made.quiet_hours is not None
    assert made.quiet_hours["spans"] == [{"weekdays": [0], "starts": "22:00:00", "ends": "07:00:00"}]
