"""The form of a notification rule: who, when, how often, quiet hours, digest, words, channels."""

from datetime import timedelta

import pytest
from django.utils import timezone

from alerts.models import AlertRule, NotificationRule, RuleBook, Silence
from tests.alerts.admin import rows
from tests.jobs import rows as jobs

pytestmark = pytest.mark.django_db
LIST = "/admin/alerts/notificationrule/"
ADD = f"{LIST}add/"
DAY = timedelta(days=1)
PREVIEW = f"{LIST}preview/"


def posted(channel=None, **fields):
    base = {"name": "Failures", "is_enabled": "on", "concerns": "job", "triggers": ["technical_failure"],
            "policy_threshold": "1", "policy_repeat": "every", "policy_at_most_every": "",
            "policy_only_last_try": "on", "quiet_timezone": "UTC", "quiet_action": "hold",
            "quiet_lets_through": "critical", "digest_timezone": "UTC", "digest_lets_through": "critical",
            "digest_starts": "00:00"}  # fmt: skip
    return {**base, **({"channels": [channel.pk]} if channel else {}), **fields}


def errors_of(response):
    assert response.status_code == 200, "it was saved"
    return response.context["adminform"].form.errors


def saved(client, **fields):
    fields["channel"] = fields.get("channel") or rows.channel()
    response = client.post(ADD, posted(**fields))
    assert response.status_code == 302, errors_of(response)
    return NotificationRule.objects.get()


def test_a_rule_of_a_job_tells_a_channel(editor) -> None:
    job = jobs.job("report")
    rule = saved(editor, job=job.pk, policy_threshold="3", policy_repeat="once", policy_at_most_every="1h")
    assert (rule.job, rule.alert_rule, rule.selector) == (job, None, {})
    assert rule.triggers == ["technical_failure"]
    assert rule.policy == {"threshold": 3, "repeat": "once", "at_most_every": "1h"}
    assert [channel.slug for channel in rule.channels.all()] == ["mail"]
    assert (rule.quiet_hours, rule.digest) == (None, None)
    assert RuleBook.objects.get().version == 1


def test_quiet_hours_and_a_digest_are_kept_and_shown_again(editor) -> None:
    spans = {"quiet_spans-0-days": ["0", "1"], "quiet_spans-0-starts": "22:00", "quiet_spans-0-ends": "07:00",
             "quiet_spans-2-days": ["6"], "quiet_spans-2-starts": "00:00", "quiet_spans-2-ends": "12:00"}  # fmt: skip
    rule = saved(editor, job=jobs.job("a").pk, quiet_timezone="Asia/Shanghai", quiet_lets_through="", digest_every="1h",
                 **spans)  # fmt: skip
    assert rule.quiet_hours["spans"] == [
        {"weekdays": [0, 1], "starts": "22:00:00", "ends": "07:00:00"},
        {"weekdays": [6], "starts": "00:00:00", "ends": "12:00:00"},
    ]
    assert (rule.quiet_hours["timezone"], rule.quiet_hours["lets_through"]) == ("Asia/Shanghai", None)
    assert rule.digest["every"] == "1h"
    response = editor.get(f"{LIST}{rule.pk}/change/")
    form = response.context["adminform"].form
    assert 'value="22:00"' in str(form["quiet_spans"])
    assert form["quiet_lets_through"].value() == ""
    assert "quiet hours · gathered for 1h" in editor.get(LIST).content.decode()
    again = posted(job=rule.job_id, channel=rule.channels.get(), quiet_timezone="Asia/Shanghai", quiet_lets_through="",
                   digest_every="1h", **spans)  # fmt: skip
    editor.post(f"{LIST}{rule.pk}/change/", {**again, "quiet_spans-0-starts": "", "quiet_spans-0-ends": ""})
    rule.refresh_from_db()
    assert len(rule.quiet_hours["spans"]) == 1


@pytest.mark.parametrize(
    ("fields", "place", "words"),
    [
        ({"job": ""}, "job", "Choose the job"),
        ({"concerns": "rule"}, "alert_rule", "Choose the alert rule"),
        ({"triggers": []}, "triggers", "at least one"),
        ({"policy_threshold": "0"}, "policy_threshold", "1 or more"),
        ({"policy_at_most_every": "soon"}, "policy_at_most_every", "not a duration"),
        ({"quiet_spans-0-starts": "22:00", "quiet_spans-0-days": ["1"]}, "quiet_spans", "Quiet time 1"),
        ({"quiet_spans-0-starts": "22:00", "quiet_spans-0-ends": "07:00"}, "quiet_spans", "Quiet time 1"),
        ({"quiet_spans-0-starts": "0:0x", "quiet_spans-0-days": ["1"]}, "quiet_spans", "Quiet time 1"),
        (
            {"quiet_spans-0-starts": "00:00", "quiet_spans-0-ends": "00:00", "quiet_spans-0-days": list("0123456")},
            "quiet_spans",
            "quiet all week",
        ),
        (
            {"quiet_spans-0-starts": "22:00", "quiet_spans-0-ends": "07:00", "quiet_spans-0-days": ["1"],
             "quiet_timezone": "Mars/Base"},
            "quiet_timezone",
            "Mars/Base",
        ),
        ({"digest_every": "7m"}, "digest_every", "evenly"),
        ({"digest_every": "1m"}, "digest_every", "between"),
        ({"subject_template": "{{ task_nam }}"}, "subject_template", "task_name"),
        ({"body_template": "{% if x %}"}, "body_template", "not known here"),
        ({"channel": None}, "channels", "nobody would be told"),
        ({"concerns": "selector", "selector_labels": "a b"}, "selector_labels", "no label"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_saved(editor, fields, place, words) -> None:
    values = {"job": jobs.job("a").pk, "channel": rows.channel(), **fields}
    found = errors_of(editor.post(ADD, posted(**values)))
    assert words in " ".join(found[place]), found
    assert NotificationRule.objects.count() == 0


def test_an_alert_has_no_runs_to_tell_of(editor) -> None:
    rule = rows.rule()
    values = posted(channel=rows.channel(), concerns="rule", alert_rule=rule.pk)
    assert "no runs" in errors_of(editor.post(ADD, values))["triggers"][0]
    made = saved(editor, channel=rows.channel("chat"), concerns="rule", alert_rule=rule.pk, triggers=["firing"])
    assert made.alert_rule == rule


def test_a_foreign_channel_or_job_is_no_choice(editor) -> None:
    other = jobs.tenant("other")
    values = posted(channel=rows.channel("theirs", other), job=jobs.job("theirs", other).pk)
    assert set(errors_of(editor.post(ADD, values))) >= {"channels", "job"}


def test_a_rule_made_on_a_jobs_page_begins_with_the_job(editor) -> None:
    job = jobs.job("report")
    form = editor.get(ADD, {"job": job.pk}).context["adminform"].form
    assert (form["concerns"].value(), str(form["job"].value())) == ("job", str(job.pk))
    assert f"?job={job.pk}" in editor.get(f"/admin/jobs/job/{job.pk}/change/").content.decode()


def test_the_jobs_page_shows_who_is_told_and_what_watches_it(editor) -> None:
    job = jobs.job("report", labels={"team": "payments"})
    saved(editor, job=job.pk)
    for name, selector in (("By label", {"labels": ["team=payments"]}), ("Another", {"labels": ["team=x"]})):
        NotificationRule.objects.create(tenant=job.tenant, name=name, selector=selector, triggers=["lost"])
    rows.rule("watches", job=job)
    rows.rule("elsewhere", job=jobs.job("other"))
    text = editor.get(f"/admin/jobs/job/{job.pk}/change/").content.decode()
    assert [word in text for word in ("Failures", "By label", "Another", "Watches", "Elsewhere")] == [
        True, True, False, True, False,
    ]  # fmt: skip


def test_rows_that_can_not_be_read_any_more_break_no_page(editor) -> None:
    job = jobs.job("report")
    broken = {"nobody": ["knows"]}
    rule = NotificationRule.objects.create(
        tenant=job.tenant,
        name="Broken",
        selector=broken,
        triggers=["gone"],
        policy={"threshold": "x"},
        digest={"every": 7},
    )
    rows.rule("broken", selector=broken, condition="gone", condition_params={"a": 1}, source="result", policy={"b": 2})
    now = timezone.now()
    silence = Silence.objects.create(tenant=job.tenant, reason="R", selector=broken, starts_at=now, ends_at=now + DAY)
    for address in (
        f"/admin/jobs/job/{job.pk}/change/",
        LIST,
        f"{LIST}{rule.pk}/change/",
        "/admin/alerts/alertrule/",
        f"/admin/alerts/alertrule/{AlertRule.objects.get().pk}/change/",
        "/admin/alerts/silence/",
        f"/admin/alerts/silence/{silence.pk}/change/",
    ):
        assert editor.get(address).status_code == 200, address
    assert editor.post("/admin/alerts/silence/fits/", {}).json()["text"] == "It fits 1 job and 1 alert rule now."


# --- what it will say -------------------------------------------------------------------------------------------------


def test_the_preview_uses_the_newest_run_that_fits(editor) -> None:
    job = jobs.job("report", name="Daily report")
    failed = jobs.run(job, "technical_failure", reason="boom")
    jobs.chunk(jobs.attempt(failed), 1, "the last line\n")
    jobs.run(job, "succeeded")
    answer = editor.post(PREVIEW, {"job": job.pk, "triggers": ["technical_failure"],
                                   "subject_template": "{{ task_name }} #{{ execution_id }}",
                                   "body_template": "{{ execution_log_tail }}<b>"}).json()  # fmt: skip
    assert answer["subject"] == f"Daily report #{failed.pk}"
    assert answer["body"] == "the last line\n<b>"
    assert f"#{failed.pk}" in answer["note"]


def test_without_a_run_an_example_is_shown_and_a_wrong_template_is_said(editor) -> None:
    answer = editor.post(PREVIEW, {"subject_template": "{{ task_name }}"}).json()
    assert (answer["ok"], answer["subject"], answer["note"]) == (True, "Daily revenue", "With an example.")
    answer = editor.post(PREVIEW, {"body_template": "{{ nobody }}"}).json()
    assert not answer["ok"]
    assert "no variable" in answer["error"]


def test_a_preview_tells_nothing_of_another_tenants_job(editor, as_role) -> None:
    job = jobs.job("secret-name", jobs.tenant("other"))
    jobs.run(job)
    answer = editor.post(PREVIEW, {"job": job.pk, "subject_template": "{{ task_name }}"}).json()
    assert answer["subject"] == "Daily revenue"
    assert as_role("viewer").post(PREVIEW, {}).status_code == 403
    assert editor.get(PREVIEW).status_code == 405


def test_the_list_says_which_channel_is_off(editor) -> None:
    rule = NotificationRule.objects.create(tenant=jobs.tenant(), name="All")
    rule.channels.set([rows.channel("on"), rows.channel("off", is_active=False)])
    text = editor.get("/admin/alerts/notificationrule/").content.decode()
    assert text.count("(off)") == 1
