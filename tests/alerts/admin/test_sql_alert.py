"""The one form of a SQL alert, over a real small database."""

import sqlite3
from contextlib import closing

import pytest

from accounts.models import AuditEntry
from alerts import sqlalert
from alerts.models import AlertRule, AlertStatus, NotificationRule
from datasources.models import DataSource, QueryRecord, SqlScript
from datasources.scripts import Draft, save_script
from jobs.models import Job
from jobs.timetable import ScheduleSpec
from tests.alerts.admin import rows
from tests.alerts.admin.test_rule_form import POLICY
from tests.jobs import rows as jobs

pytestmark = pytest.mark.django_db
NEW = "/admin/alerts/alertrule/sql/"
SCHEDULES = {
    "schedules-TOTAL_FORMS": "1", "schedules-INITIAL_FORMS": "0", "schedules-0-kind": "interval",
    "schedules-0-expression": "5m", "schedules-0-timezone": "", "schedules-0-misfire": "run_once",
    "schedules-0-grace": "5m", "schedules-0-is_enabled": "on", "schedules-0-calendar": "",
    "schedules-0-calendar_policy": "skip", "schedules-0-jitter": "0s",
}  # fmt: skip


@pytest.fixture
def source(db, tmp_path, settings):
    settings.PORTAL_SQLITE_ROOTS = [tmp_path]
    folder = tmp_path / "acme"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "shop.sqlite3")) as raw:
        raw.execute("create table orders (id integer primary key, state text)")
        raw.executemany("insert into orders values (?, ?)", [(1, "due"), (2, "due"), (3, "paid")])
        raw.commit()
    return DataSource.objects.create(
        tenant=jobs.tenant(), slug="shop", name="Shop", kind="sqlite", params={"path": "shop.sqlite3"}
    )


@pytest.fixture
def channel(source):
    return rows.channel()


def posted(source, **fields):
    base = {
        "name": "Unpaid orders", "severity": "critical", "is_enabled": "on", "datasource": str(source.pk),
        "sql": "select id, state from orders where state = 'due'", "condition": "row_count",
        "condition_row_count_operator": ">", "condition_row_count_threshold": "0", "labels": "team=shop",
        "triggers": ["firing", "recovered"], **POLICY, **SCHEDULES,
    }  # fmt: skip
    return {**base, **fields}


def errors_of(response):
    assert response.status_code == 200, "it was saved"
    found = dict(response.context["form"].errors)
    for form in response.context["formset"].forms:
        found |= {f"schedule {name}": errors for name, errors in form.errors.items()}
    return found


def made(client, source, **fields):
    response = client.post(NEW, posted(source, **fields))
    assert response.status_code == 302, errors_of(response)
    return AlertRule.objects.get()


def test_it_makes_the_job_its_schedule_the_rule_and_who_is_told(editor, source, channel) -> None:
    rule = made(editor, source, channels=[channel.pk])
    job = rule.job
    assert (job.kind, job.category, job.name, job.slug) == ("sql", "monitoring", "Unpaid orders", "unpaid-orders")
    assert job.params["datasource"] == "shop"
    assert (job.retry_max, job.retry_base.total_seconds(), job.timeout.total_seconds()) == (1, 10, 60)
    assert [(one.kind, one.expression) for one in job.schedules.all()] == [("interval", "5m")]
    assert (rule.condition, rule.condition_params, rule.severity) == (
        "row_count",
        {"operator": ">", "threshold": 0},
        "critical",
    )
    notice = rule.notification_rules.get()
    assert (notice.triggers, list(notice.channels.all())) == (["firing", "recovered"], [channel])
    assert AlertStatus.objects.filter(rule=rule, wakes_at__isnull=False).exists(), "nobody awaits its first result"
    verbs = set(AuditEntry.objects.values_list("verb", flat=True))
    assert {"jobs.job.created", "alerts.alertrule.created", "alerts.notificationrule.created"} <= verbs


def test_the_triggers_of_an_alert_are_chosen_already(editor, source) -> None:
    form = editor.get(NEW).context["form"]
    assert form["triggers"].value() == ["firing", "recovered", "error", "stale", "no_data"]
    assert form["datasource"].value() == source.pk
    assert "5m" in editor.get(NEW).content.decode()


@pytest.mark.parametrize(
    ("fields", "place", "words"),
    [
        ({"name": ""}, "name", "required"),
        ({"sql": " "}, "sql", "empty"),
        ({"datasource": ""}, "datasource", "required"),
        ({"script": "none-such"}, "script", "valid choice"),
        ({"version": "2"}, "version", "of a script"),
        ({"values_json": "[1]"}, "values_json", "names with values"),
        ({"condition": ""}, "condition", "when it is bad"),
        ({"condition_row_count_threshold": "many"}, "condition_row_count_threshold", "whole number"),
        ({"policy_needed_count": "3"}, "policy_needed_count", "more than the 1 results"),
        ({"schedules-0-expression": ""}, "schedule expression", "how often"),
        ({"schedules-0-expression": "soon"}, "schedule expression", "soon"),
        ({"quiet_spans-0-starts": "22:00"}, "quiet_spans", ""),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_saved(editor, source, fields, place, words) -> None:
    found = errors_of(editor.post(NEW, posted(source, **fields)))
    assert words in " ".join(found[place]), found
    assert not AlertRule.objects.exists()
    assert not Job.objects.exists()


def test_a_slug_that_is_taken_is_said_at_its_field(editor, source) -> None:
    rows.rule("taken")
    assert "taken" in errors_of(editor.post(NEW, posted(source, slug="taken")))["slug"][0]


def test_a_late_refusal_leaves_nothing_half_saved(source, channel) -> None:
    """The job is written before the rule, whose slug somebody else has just taken."""
    rows.rule("taken")
    wanted = sqlalert.SqlAlert(
        rule=AlertRule(name="Taken", slug="taken", condition="not_empty"),
        params={"datasource": "shop", "sql": "select 1"}, run_params=[],
        schedules=[ScheduleSpec(kind="interval", expression="5m")], channels=[channel], triggers=["firing"],
    )  # fmt: skip
    with pytest.raises(sqlalert.SqlAlertError) as refusal:
        sqlalert.create(wanted, tenant=source.tenant, actor=jobs.user("acme-editor", "editor"))
    assert [error.path for error in refusal.value.errors] == ["slug"]
    assert not Job.objects.filter(kind="sql").exists()
    assert not NotificationRule.objects.exists()


def test_a_chinese_name_gets_a_slug_that_is_free(editor, source) -> None:
    jobs.job("sql-alert")
    assert made(editor, source, name="未付订单").slug == "sql-alert-2"


def test_run_once_shows_the_rows_and_says_that_it_would_fire(editor, source) -> None:
    page = editor.post(NEW, posted(source, _preview="1", name=""))
    text = page.content.decode()
    assert "It would fire now: 2 rows" in text, page.context["form"].errors
    assert '<option value="state">' in text
    assert not AlertRule.objects.exists()
    assert QueryRecord.objects.get().text.startswith("select id")


def test_run_once_without_a_condition_shows_the_rows_alone(editor, source) -> None:
    text = editor.post(NEW, posted(source, _preview="1", condition="")).content.decode()
    assert "2 rows came back." in text
    assert "It would" not in text


def test_run_once_judges_each_row_where_rows_have_keys(editor, source) -> None:
    text = editor.post(NEW, posted(source, _preview="1", is_row_level="on", key_columns="id")).content.decode()
    assert "It would fire now" in text
    assert 'name="key_pick" value="state"' in text


def test_a_query_that_changes_something_is_refused(editor, source) -> None:
    text = editor.post(NEW, posted(source, _preview="1", sql="delete from orders")).content.decode()
    assert "Only SELECT is allowed" in text


def test_a_script_of_the_library_is_run_and_saved_with_its_parameters(editor, source) -> None:
    script = SqlScript(tenant=source.tenant, name="Due", slug="due")
    params = [{"name": "least", "type": "int", "default": 2}]
    save_script(
        script, Draft(text="select * from orders where id >= :least", parameters=params, datasources=[]), actor=None
    )
    page = editor.post(NEW, posted(source, _preview="1", sql="", script="due"))
    assert "2 rows came back." in page.content.decode()
    rule = made(editor, source, sql="", script="due")
    assert rule.job.params["script"] == "due"
    assert rule.job.params["sql"] == ""


def test_a_query_of_the_console_comes_with_its_parameters(editor, source) -> None:
    console = "/admin/datasources/queryrecord/console/"
    ask = {"datasource": source.pk, "sql": "select :n as n", "values_json": '{"n": 7}', "mode": "read"}
    links = editor.post(console, ask).context["links"]
    label, url = links[0]
    assert label == "Make an alert of this"
    form = editor.get(url).context["form"]
    assert (form["sql"].value(), form["datasource"].value()) == ("select :n as n", source.pk)
    rule = made(editor, source, sql="select :n as n", values_json='{"n": 7}')
    assert [(one["name"], one["type"], one["default"]) for one in rule.job.run_params] == [("n", "int", 7)]


def test_changing_it_changes_the_same_rows(editor, source, channel) -> None:
    rule = made(editor, source, channels=[channel.pk])
    schedule = rule.job.schedules.get()
    url = f"/admin/alerts/alertrule/{rule.pk}/sql/"
    form = editor.get(url).context["form"]
    assert form["channels"].value() == [channel.pk]
    again = posted(source, name="Due orders", sql="select 1", channels=[], **{"schedules-0-id": schedule.pk})
    again |= {"schedules-INITIAL_FORMS": "1", "schedules-0-expression": "10m"}
    response = editor.post(url, again)
    assert response.status_code == 302, errors_of(response)
    rule.refresh_from_db()
    job = Job.objects.get()
    assert (rule.name, job.name, job.params["sql"].strip()) == ("Due orders", "Due orders", "select 1")
    assert [(one.pk, one.expression) for one in job.schedules.all()] == [(schedule.pk, "10m")]
    notice = NotificationRule.objects.get()
    assert (notice.is_enabled, notice.channels.count()) == (False, 0)


def test_a_new_alert_has_no_history_to_be_tested_on(editor, source) -> None:
    text = editor.post(NEW, posted(source, _backtest="1")).content.decode()
    assert "There is no history yet" in text


def test_who_may_not_add_jobs_gets_no_form(as_role, source) -> None:
    assert as_role("viewer").get(NEW).status_code == 403
    assert as_role("operator").post(NEW, posted(source)).status_code == 403
    assert not AlertRule.objects.exists()


def test_a_stranger_finds_neither_the_page_nor_the_datasource(as_role, editor, source) -> None:
    rule = made(editor, source)
    stranger = as_role("editor", "other")
    assert stranger.get(f"/admin/alerts/alertrule/{rule.pk}/sql/").status_code == 404
    assert "datasource" in errors_of(stranger.post(NEW, posted(source)))


def test_a_rule_on_outcomes_is_shown_on_its_own_page(editor) -> None:
    rule = rows.rule("late", job=jobs.job("report"))
    assert editor.get(f"/admin/alerts/alertrule/{rule.pk}/sql/").status_code == 302
    assert "Query, schedule, channels" not in editor.get(f"/admin/alerts/alertrule/{rule.pk}/change/").content.decode()
