"""The page of one alert rule: subjects, trend, checks, and rows that people take care of."""

import pytest

from accounts.models import AuditEntry
from alerts.admin.chart import Point, trend
from alerts.states import AlertState, Source
from tests.alerts.admin import rows
from tests.jobs import rows as jobs

pytestmark = pytest.mark.django_db
NOW = jobs.NOW


def page(client, rule, **query):
    response = client.get(f"/admin/alerts/alertrule/{rule.pk}/change/", query)
    assert response.status_code == 200
    return response.content.decode()


def test_a_rule_that_was_never_checked_says_so(editor) -> None:
    text = page(editor, rows.rule())
    assert "not been checked yet" in text
    assert "Nothing has been looked at yet" in text


def test_checks_and_the_trend_of_the_only_subject_are_shown(editor) -> None:
    rule = rows.rule()
    status = rows.status(rule, AlertState.FIRING, jobs.job("a"))
    for number in range(60):
        rows.check(status, float(number), AlertState.FIRING if number > 50 else AlertState.OK, ago=60 - number)
    text = page(editor, rule)
    assert "<polyline" in text
    assert "50 checks, from 10 to 59" in text
    assert "59 rows came back" in text
    assert "9 rows came back" not in text.replace("59 rows", "").replace("49 rows", "").replace("39 rows", "").replace(
        "29 rows", ""
    ).replace("19 rows", "")


def test_of_several_subjects_one_can_be_chosen(editor) -> None:
    rule = rows.rule()
    first = rows.status(rule, AlertState.OK, jobs.job("a", name="First"))
    rows.check(first, 5.0)
    rows.check(rows.status(rule, AlertState.OK, jobs.job("b", name="Second")), 9.0)
    assert "9 rows came back" in page(editor, rule)
    assert "9 rows came back" not in page(editor, rule, subject=first.pk)


def test_a_chart_needs_two_values_and_marks_those_without() -> None:
    assert trend([]) == ""
    assert trend([Point(at=NOW, value=1, state="ok"), Point(at=NOW, value=None, state="no_data")]) == ""
    drawn = trend([Point(at=NOW, value=v, state=s) for v, s in ((1, "ok"), (None, "error"), (1, "firing"))])
    assert drawn.count("<title>") == 3
    assert "p-trend-bad" in drawn


def row_url(rule, row):
    return f"/admin/alerts/alertrule/{rule.pk}/rows/{row.pk}/"


def test_an_operator_acknowledges_a_row_with_a_comment_and_takes_it_back(as_role) -> None:
    rule = rows.rule(is_row_level=True)
    row = rows.row(rows.status(rule, AlertState.FIRING, jobs.job("a")))
    operator = as_role("operator")
    assert "Acknowledge" in page(operator, rule)
    operator.post(row_url(rule, row), {"deed": "acknowledge", "comment": "known <b>customer</b>"})
    row.refresh_from_db()
    assert (row.acknowledged_by, row.comment) == ("acme-operator", "known <b>customer</b>")
    assert row.acknowledged_at is not None
    assert "known &lt;b&gt;customer&lt;/b&gt;" in page(operator, rule)
    operator.post(row_url(rule, row), {"deed": "comment", "comment": ""})
    operator.post(row_url(rule, row), {"deed": "withdraw"})
    row.refresh_from_db()
    assert [row.acknowledged_by, row.comment] == ["", ""]
    assert not row.acknowledged_at
    assert AuditEntry.objects.filter(verb__startswith="alerts.alertrow.").count() == 3


def test_rows_that_are_gone_are_not_shown_and_new_ones_come_first(editor) -> None:
    rule = rows.rule(is_row_level=True)
    status = rows.status(rule, AlertState.FIRING, jobs.job("a"))
    rows.row(status, "gone-row", resolved_at=NOW)
    rows.row(status, "known-row", acknowledged_at=NOW, acknowledged_by="ann")
    rows.row(status, "fresh-row")
    text = page(editor, rule)
    assert "gone-row" not in text
    assert text.index("fresh-row") < text.index("known-row")


def test_a_viewer_changes_no_row_and_a_get_changes_nothing(as_role) -> None:
    rule = rows.rule(is_row_level=True)
    row = rows.row(rows.status(rule, AlertState.FIRING, jobs.job("a")))
    viewer = as_role("viewer")
    assert viewer.post(row_url(rule, row), {"deed": "acknowledge"}).status_code == 403
    assert viewer.get(row_url(rule, row)).status_code == 405
    row.refresh_from_db()
    assert row.acknowledged_at is None


def test_a_row_of_another_rule_or_tenant_is_not_there(editor) -> None:
    rule = rows.rule()
    foreign = rows.rule("theirs", jobs.tenant("other"))
    row = rows.row(rows.status(foreign, AlertState.FIRING))
    assert editor.post(row_url(rule, row)).status_code == 404
    assert editor.post(row_url(foreign, row)).status_code == 404


def test_broken_rows_and_sentences_break_no_page(editor) -> None:
    rule = rows.rule(is_row_level=True, selector={"jobs": ["gone"]})
    status = rows.status(rule, AlertState.ERROR, sentence={"key": "row_count.is"})
    rows.row(status, "k", row=[None, {"a": [1]}, "x"], columns=["id"], key=[None])
    rows.check(status, None, "nonsense")
    text = page(editor, rule)
    assert "The sentence could not be read." in text
    assert "NULL" in text


def test_a_condition_that_is_not_installed_is_told_of(editor) -> None:
    gone = rows.rule("gone", source=Source.RESULT, condition="gone_condition", job=rows.sql_job())
    assert "Its condition “gone_condition” is not known here" in page(editor, gone)
    assert "is not known here" not in page(editor, rows.rule("known", source=Source.RESULT, condition="not_empty"))


def test_a_whole_number_has_no_fraction(editor) -> None:
    rule = rows.rule()
    status = rows.status(rule, AlertState.OK, jobs.job("a"))
    rows.check(status, 399.0)
    rows.check(status, 0.25)
    values = [each["value"] for each in editor.get(f"/admin/alerts/alertrule/{rule.pk}/change/").context["checks"]]
    assert sorted(values) == ["0.25", "399"]
