"""The button Back-test: what an unsaved form would have sent."""

from datetime import timedelta

import pytest
from django.utils import timezone

from alerts import trials
from alerts.admin import bars
from alerts.models import AlertRule, Notification, NotificationRule
from tests.alerts import rows as live
from tests.alerts.admin import rows
from tests.alerts.admin.test_rule_form import posted as rule_posted
from tests.jobs import rows as jobs

pytestmark = pytest.mark.django_db
RULE, NOTICE = "/admin/alerts/alertrule/backtest/", "/admin/alerts/notificationrule/backtest/"
PART = {"HTTP_X_REQUESTED_WITH": "XMLHttpRequest"}


def history(job, *pattern, day=1.0):
    """Results of so many rows each, an hour apart, from `day` days ago on."""
    start = timezone.now() - timedelta(days=day)
    found = []
    for number, count in enumerate(pattern):
        at = start + timedelta(hours=number)
        status = "succeeded" if count is not None else "technical_failure"
        result = live.table(*range(count)) if count is not None else None
        found.append(jobs.run(job, status, at=at, ended_at=at, result=result, origin="api"))
    return found


@pytest.fixture
def job(db):
    return rows.sql_job()


@pytest.fixture
def channel(job):
    return rows.channel()


def told_of(of, channel, **fields):
    rule = NotificationRule.objects.create(tenant=of.tenant, name="all", triggers=["firing", "recovered"], **fields)
    rule.channels.add(channel)
    return rule


def test_an_unsaved_rule_says_what_it_would_have_sent(editor, job, channel) -> None:
    told_of(job, channel, job=job)
    bad = history(job, 0, 2, 2, 0, 3)
    text = editor.post(RULE, rule_posted(job=job.pk), **PART).content.decode()
    words = "In the last 30 days this would have sent 3 messages instead of 3 (5 runs looked at, 3 bad, 2 incidents)."
    assert words in text
    assert f"/admin/jobs/run/{bad[1].pk}/change/" in text
    assert "<html" not in text
    assert not AlertRule.objects.exists()
    assert not Notification.objects.exists()


def test_a_page_without_scripts_gets_a_page(editor, job) -> None:
    text = editor.post(RULE, rule_posted(job=job.pk)).content.decode()
    assert "<html" in text
    assert "There is no run in that time yet" in text


def test_fewer_days_hold_less(editor, job, channel) -> None:
    told_of(job, channel, job=job)
    history(job, 1, 0, day=20)
    assert (
        "5"
        not in editor.post(RULE, rule_posted(job=job.pk, backtest_days="7"), **PART).context["backtest_headline"][19:]
    )
    assert "(2 runs looked at, 1 bad" in editor.post(RULE, rule_posted(job=job.pk), **PART).context["backtest_headline"]


def test_the_form_must_be_right_first(editor, job) -> None:
    text = editor.post(RULE, rule_posted(job=job.pk, condition_row_count_threshold="many"), **PART).content.decode()
    assert "The form must be right" in text
    assert "whole number" in text


def test_a_changed_rule_is_tried_as_it_is_filled_in(editor, job, channel) -> None:
    rule = live.rule(job, enabled_at=timezone.now())
    told_of(job, channel, alert_rule=rule)
    history(job, 2, 2, 5)
    url = f"{RULE}?object={rule.pk}"
    found = editor.post(url, rule_posted(job=job.pk, condition_row_count_threshold="4"), **PART)
    assert "sent 1 message instead of 1 (3 runs looked at, 1 bad" in found.context["backtest_headline"]
    rule.refresh_from_db()
    assert rule.condition_params["threshold"] == "0"


def test_a_rule_on_many_jobs_is_told_job_by_job(editor, channel, monkeypatch) -> None:
    monkeypatch.setattr(trials, "MOST_JOBS", 2)
    for slug in ("a", "b", "c"):
        history(rows.sql_job(slug), 1)
    found = editor.post(RULE, rule_posted(concerns="selector"), **PART)
    assert [(part.job.slug, part.report.bad) for part in found.context["backtest_jobs"]] == [("a", 1), ("b", 1)]
    assert "2 more jobs were not looked at" in found.content.decode()
    assert "Nobody would have been told" in found.content.decode()


def test_jobs_of_another_tenant_are_not_tried(editor, job) -> None:
    history(rows.sql_job("foreign", of=jobs.tenant("other")), 1)
    found = editor.post(RULE, rule_posted(concerns="selector"), **PART)
    assert [part.job.slug for part in found.context["backtest"].parts] == [job.slug]


def test_it_stops_when_its_time_is_up(editor, job, monkeypatch) -> None:
    monkeypatch.setattr(trials, "MOST_SECONDS", -1)
    history(job, 1, 1)
    found = editor.post(RULE, rule_posted(job=job.pk), **PART)
    assert found.context["backtest"].is_stopped
    assert "It was stopped after" in found.content.decode()


def test_it_says_that_less_history_is_kept(editor, job) -> None:
    job.run_days = 10
    job.save()
    found = editor.post(RULE, rule_posted(job=job.pk), **PART)
    assert "Runs are kept for 10 days" in found.content.decode()


def notice_posted(channel, **fields):
    base = {"name": "tell", "is_enabled": "on", "concerns": "job", "channels": [channel.pk], "policy_threshold": "1"}
    return {**base, "triggers": ["technical_failure", "recovered"], **fields}


def test_a_notification_rule_of_runs_is_tried(editor, job, channel) -> None:
    history(job, 0, None, None, 0)
    page = editor.get("/admin/alerts/notificationrule/add/")
    fields = {
        name: value for name, value in page.context["adminform"].form.initial.items() if name.startswith("policy")
    }
    found = editor.post(NOTICE, notice_posted(channel, job=job.pk, **fields), **PART)
    assert "4 runs looked at, 2 of them what it tells of" in found.context["backtest_headline"], found.content.decode()
    assert [one.trigger.value for one in found.context["backtest"].sent] == ["technical_failure"] * 2 + ["recovered"]
    assert not NotificationRule.objects.exists()


def test_quiet_hours_hold_back_and_that_is_seen(editor, job, channel) -> None:
    history(job, None)
    quiet = {"quiet_spans-0-days": list("0123456"), "quiet_spans-0-starts": "00:00", "quiet_spans-0-ends": "23:59"}
    quiet |= {"quiet_action": "hold", "quiet_timezone": "UTC", "quiet_lets_through": ""}
    found = editor.post(NOTICE, notice_posted(channel, job=job.pk, **quiet), **PART)
    assert "Held back until" in found.content.decode()


def test_who_may_only_look_tries_nothing(as_role, job) -> None:
    assert as_role("viewer").post(RULE, rule_posted(job=job.pk)).status_code == 403
    assert as_role("editor").get(RULE).status_code == 405


def test_days_are_bars_with_words() -> None:
    now = timezone.now().date()
    drawn = str(bars.days([(now, 4, 1), (now + timedelta(days=1), 0, 0)]))
    assert drawn.count("<rect") == 4
    assert "4 bad results, 1 messages" in drawn
    assert bars.days([(now, 0, 0)]) == ""


def test_a_rule_on_the_portal_has_no_history(editor, job) -> None:
    history(job, 1)
    text = editor.post(RULE, rule_posted(source="portal", subjects=["beat"]), **PART).content.decode()
    assert "back-tested" in text
    assert "instead of" not in text


def test_a_notification_rule_on_all_that_fits_is_told_of_alerts_too(editor, job, channel) -> None:
    live.rule(job)
    live.rule(rows.sql_job("other"), "foreign")
    history(job, 0, 2, None)
    given = notice_posted(channel, concerns="selector", selector_jobs=[job.slug])
    found = editor.post(NOTICE, {**given, "triggers": ["technical_failure", "firing", "escalated"]}, **PART)
    sent = sorted(one.trigger.value for one in found.context["backtest"].sent)
    assert sent == ["firing", "technical_failure"], found.content.decode()
    assert "no part of a back-test" in found.content.decode()
