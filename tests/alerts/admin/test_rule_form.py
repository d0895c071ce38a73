"""The form of an alert rule: what the chosen source and condition ask for, and nothing else."""

import pytest

from accounts.models import AuditEntry
from alerts.models import AlertRule, EscalationPolicy, RuleBook
from tests.alerts.admin import rows
from tests.jobs import rows as jobs

pytestmark = pytest.mark.django_db
ADD = "/admin/alerts/alertrule/add/"
POLICY = {
    "policy_needed_count": "1", "policy_window_count": "1", "policy_hold_for": "0s", "policy_good_count": "1",
    "policy_repeat_every": "", "policy_stale_after": "", "policy_flap_changes": "6", "policy_flap_period": "1h",
    "result_grace": "5m",
}  # fmt: skip


def posted(source="result", **fields):
    base = {"name": "Unpaid orders", "slug": "", "severity": "warning", "is_enabled": "on", "source": source}
    base |= {"concerns": "job", "condition": "row_count", **POLICY}
    base |= {"condition_row_count_operator": ">", "condition_row_count_threshold": "0"}
    return {**base, **fields}


def errors_of(response):
    assert response.status_code == 200, "it was saved"
    return response.context["adminform"].form.errors


def saved(client, **fields):
    response = client.post(ADD, posted(**fields))
    assert response.status_code == 302, errors_of(response)
    return AlertRule.objects.get()


def test_a_rule_on_a_result_keeps_its_condition_and_its_policy(editor) -> None:
    job = rows.sql_job()
    rule = saved(editor, job=job.pk, policy_needed_count="2", policy_window_count="3", policy_repeat_every="1h",
                 labels="team=payments", key_columns="id")  # fmt: skip
    assert (rule.slug, rule.job, rule.condition) == ("unpaid-orders", job, "row_count")
    assert rule.condition_params == {"operator": ">", "threshold": 0}
    assert rule.policy == {"needed_count": 2, "window_count": 3, "repeat_every": "1h"}
    assert (rule.labels, rule.key_columns, rule.is_row_level) == ({"team": "payments"}, [], False)
    assert rule.enabled_at is not None
    assert RuleBook.objects.get(tenant=rule.tenant).version == 1
    assert AuditEntry.objects.filter(verb="alerts.alertrule.created").count() == 1


def test_a_rule_on_each_row_has_key_columns_and_no_condition(editor) -> None:
    fields = {"is_row_level": "on", "key_columns": "id\nday\nid", "condition_row_count_threshold": "x"}
    rule = saved(editor, job=rows.sql_job().pk, **fields)
    assert (rule.is_row_level, rule.key_columns, rule.condition, rule.condition_params) == (True, ["id", "day"], "", {})


def test_only_what_the_source_asks_for_counts(editor) -> None:
    job = rows.sql_job()
    rule = saved(editor, source="outcome", job=job.pk, outcomes=["technical_failure", "lost"], subjects=["beat"],
                 condition_row_count_threshold="not a number", key_columns="id", is_row_level="on")  # fmt: skip
    assert rule.outcomes == ["technical_failure", "lost"]
    assert (rule.condition, rule.condition_params, rule.subjects) == ("", {}, [])
    assert (rule.key_columns, rule.is_row_level) == ([], False)


def test_a_rule_on_the_portal_concerns_no_job(editor) -> None:
    job = rows.sql_job()
    rule = saved(editor, source="portal", job=job.pk, subjects=["beat", "queues"], selector_labels="=x")
    assert (rule.job, rule.selector, rule.subjects, rule.condition) == (None, {}, ["beat", "queues"], "")


def test_a_rule_may_concern_all_jobs_that_fit(editor) -> None:
    jobs.job("report")
    rule = saved(editor, source="outcome", concerns="selector", outcomes=["lost"], selector_jobs=["report"],
                 selector_categories=["sync"], selector_labels="team=payments\n!urgent")  # fmt: skip
    assert rule.job is None
    assert rule.selector == {"jobs": ["report"], "categories": ["sync"], "labels": ["team=payments", "!urgent"]}


def test_a_recovery_condition_is_kept_and_must_differ(editor) -> None:
    job = rows.sql_job()
    same = {"has_recovery": "on", "recovery_row_count_operator": ">", "recovery_row_count_threshold": "0"}
    assert "good again" in errors_of(editor.post(ADD, posted(job=job.pk, **same)))["has_recovery"][0]
    rule = saved(editor, job=job.pk, **{**same, "recovery_row_count_operator": "="})
    assert rule.recovery_params == {"operator": "=", "threshold": 0}


@pytest.mark.parametrize(
    ("fields", "place", "words"),
    [
        ({"job": ""}, "job", "Choose the job"),
        ({"condition_row_count_threshold": "many"}, "condition_row_count_threshold", "whole number"),
        ({"condition_row_count_threshold": ""}, "condition_row_count_threshold", "required"),
        ({"policy_needed_count": "3"}, "policy_needed_count", "more than the 1 results"),
        ({"policy_repeat_every": "5s"}, "policy_repeat_every", "once a minute"),
        ({"policy_hold_for": "soon"}, "policy_hold_for", "not a duration"),
        ({"policy_flap_changes": "2"}, "policy_flap_changes", "no flapping"),
        ({"result_grace": "soon"}, "result_grace", "not a duration"),
        ({"labels": "=x"}, "labels", "no label"),
        ({"condition": "nonsense"}, "condition", "valid choice"),
        ({"source": "outcome", "outcomes": []}, "outcomes", "at least one"),
        ({"source": "outcome", "outcomes": ["lost"], "contract_least_rows": "5"}, "outcomes", "Suspicious"),
        (
            {"source": "outcome", "outcomes": ["suspicious"], "contract_least_rows": "-1"},
            "contract_least_rows",
            "0 or more",
        ),
        ({"source": "portal", "subjects": []}, "subjects", "at least one"),
        ({"concerns": "selector", "selector_labels": "a b"}, "selector_labels", "no label"),
        ({"condition": "compared", "condition_compared_limit": "0"}, "condition_compared_limit", "above 0"),
        ({"name": ""}, "name", "required"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_saved(editor, fields, place, words) -> None:
    job = rows.sql_job()
    found = errors_of(editor.post(ADD, posted(**{"job": job.pk, **fields})))
    assert words in " ".join(found[place]), found
    assert AlertRule.objects.count() == 0


def test_a_job_without_a_table_has_no_result_to_judge(editor) -> None:
    job = jobs.job("report")
    assert "gives no table" in errors_of(editor.post(ADD, posted(job=job.pk)))["job"][0]


def test_what_was_agreed_on_is_kept(editor) -> None:
    job = jobs.job("report")
    rule = saved(editor, source="outcome", job=job.pk, outcomes=["suspicious"], contract_least_rows="5",
                 contract_needs_output="on")  # fmt: skip
    assert rule.contract == {"least_rows": 5, "needs_output": True}


def test_a_taken_slug_is_said_at_the_slug(editor) -> None:
    rows.rule("unpaid-orders")
    found = errors_of(editor.post(ADD, posted(job=rows.sql_job().pk, slug="unpaid-orders")))
    assert "taken" in found["slug"][0]


def test_what_was_saved_is_shown_again(editor) -> None:
    job = rows.sql_job()
    rule = saved(editor, job=job.pk, condition="freshness", condition_freshness_column="paid_at",
                 condition_freshness_limit="90m", condition_freshness_timezone="Asia/Shanghai")  # fmt: skip
    form = editor.get(f"/admin/alerts/alertrule/{rule.pk}/change/").context["adminform"].form
    shown = {name: form[name].value() for name in ("condition", "condition_freshness_column", "concerns", "source")}
    assert shown == {"condition": "freshness", "condition_freshness_column": "paid_at", "concerns": "job",
                     "source": "result"}  # fmt: skip
    assert form["condition_freshness_limit"].value() == "1h30m"


def test_a_foreign_job_or_policy_is_no_choice(editor) -> None:
    stranger = jobs.job("theirs", jobs.tenant("other"), kind="sql")
    policy = EscalationPolicy.objects.create(tenant=stranger.tenant, slug="p", name="P")
    found = errors_of(editor.post(ADD, posted(job=stranger.pk, escalation=policy.pk, concerns="job")))
    assert set(found) >= {"job", "escalation"}
    found = errors_of(editor.post(ADD, posted(source="outcome", outcomes=["lost"], concerns="selector",
                                              selector_jobs=["theirs"])))  # fmt: skip
    assert "selector_jobs" in found


def test_somebody_who_may_only_look_sees_no_form_and_saves_nothing(as_role) -> None:
    rule = rows.rule()
    viewer = as_role("viewer")
    page = viewer.get(f"/admin/alerts/alertrule/{rule.pk}/change/")
    assert page.status_code == 200
    assert "condition_row_count_operator" not in page.content.decode()
    assert viewer.post(f"/admin/alerts/alertrule/{rule.pk}/change/", posted()).status_code == 403
    assert viewer.get(ADD).status_code == 403
