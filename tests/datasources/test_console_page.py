"""The pages of the query console and *Run once now*, as people use them."""

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.grants import set_grants
from accounts.models import AuditEntry
from datasources import console_links, scripts
from datasources.admin.console_cells import csv_lines
from datasources.models import QueryRecord, SqlScript
from datasources.query import ResultSet
from datasources.scripts import Draft
from tests.cast import make_cast, make_platform_admin
from tests.datasources.consoles import source_of

pytestmark = pytest.mark.django_db
CONSOLE = "/admin/datasources/queryrecord/console/"
HISTORY = "/admin/datasources/queryrecord/"
XHR = {"HTTP_X_REQUESTED_WITH": "XMLHttpRequest"}


@pytest.fixture
def cast():
    return make_cast("acme")


@pytest.fixture
def source(cast, sqlite_target):
    return source_of(cast.tenant, sqlite_target)


@pytest.fixture
def log_in(client, cast):
    def as_person(who):
        client.force_login(cast.members.get(who, who))
        return client

    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return as_person


def asked(source, sql="select id, name from items", **fields):
    return {"datasource": source.pk, "sql": sql, "values_json": "", "max_rows": "200", "timeout": "30", **fields}


def text(response):
    return response.content.decode()


def test_an_editor_runs_a_query_and_sees_rows_types_and_time(log_in, source):
    page = text(log_in("editor").post(CONSOLE, asked(source, "select id, name, null as gone from items", mode="read")))
    assert '<th scope="col" class="p-right">id<small>integer</small></th>' in page
    assert '<td class="p-cell--null">NULL</td>' in page
    assert "2 rows came back." in page
    assert " ms</span>" in page
    assert page.count('name="mode" value="write"') == 0


def test_a_script_gets_the_result_alone(log_in, source):
    part = text(log_in("editor").post(CONSOLE, asked(source, mode="read"), **XHR))
    assert "<html" not in part
    assert "tea" in part
    assert 'name="key"' in part
    assert part.count("console/?query=") == 1, "the query itself is the latest of one's own"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sql": " "}, "The SQL is empty"),
        ({"sql": ""}, "The SQL is empty"),
        ({"sql": "select 1\0"}, "ull characters"),
        ({"sql": "x" * 200_001}, "200000"),
        ({"values_json": "[1]"}, "Write names with values"),
        ({"values_json": "{"}, "not JSON"),
        ({"values_json": '{"a": [1]}'}, "must be a text, a number"),
        ({"values_json": '{"not a name": 1}'}, "parameter&#x27;s name"),
        ({"max_rows": "2001"}, "2000"),
        ({"max_rows": "many"}, "whole number"),
        ({"timeout": "601"}, "At most 600"),
        ({"timeout": "0"}, "greater than or equal to 1"),
        ({"datasource": ""}, "required"),
    ],
)
@pytest.mark.parametrize("headers", [{}, XHR])
def test_bad_input_is_a_sentence_and_runs_nothing(log_in, source, change, words, headers):
    answer = log_in("editor").post(CONSOLE, asked(source, mode="read") | change, **headers)
    assert words in text(answer)
    assert [len(found) for found in answer.context["form"].errors.values()] == [1]
    assert not QueryRecord.objects.exists()


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("delete from items", "Only SELECT is allowed"),
        ("select * from nowhere", "no such table"),
        ("select :day", "no parameter has that name"),
        ("select 1; selekt 2", "Line 1:"),
    ],
)
def test_what_the_database_refuses_is_one_sentence(log_in, source, sql, words):
    page = text(log_in("editor").post(CONSOLE, asked(source, sql, mode="read"), **XHR))
    assert words in page
    assert "Traceback" not in page


def test_a_change_is_rehearsed_and_then_made(log_in, source):
    client = log_in("editor")
    form = asked(source, "delete from items where id = 1")
    page = client.post(CONSOLE, form | {"mode": "rehearse"}, **XHR)
    assert "It would change 1 row; all of it is undone." in text(page)
    assert "1 row would be changed." in text(page)
    sealed = page.context["answer"].rehearsed
    assert "tea" in text(client.post(CONSOLE, asked(source, mode="read"), **XHR))
    made = text(client.post(CONSOLE, form | {"mode": "write", "rehearsed": sealed}, **XHR))
    assert "1 row was changed." in made
    assert "tea" not in text(client.post(CONSOLE, asked(source, mode="read"), **XHR))


def test_more_than_the_limit_is_said_before_it_is_tried(log_in, source):
    source.max_affected_rows = 1
    source.save()
    page = text(log_in("editor").post(CONSOLE, asked(source, "delete from items", mode="rehearse"), **XHR))
    assert "That is more than 1: a second person must approve it." in page


def test_long_cells_are_cut_and_can_be_opened_and_markup_is_text(log_in, source):
    sql = "select '<b>bold</b>' as a, replace(hex(zeroblob(200)), '00', 'ab') as b"
    page = text(log_in("editor").post(CONSOLE, asked(source, sql, mode="read"), **XHR))
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert f"<summary>{'ab' * 60}…</summary>" in page
    assert "ab" * 200 in page


def test_the_plan_is_a_result_without_a_file(log_in, source):
    page = text(log_in("editor").post(CONSOLE, asked(source, mode="plan"), **XHR))
    assert "SCAN" in page
    assert 'name="csv"' not in page


def test_one_statements_rows_come_as_a_file_with_formulas_escaped(log_in, source):
    sql = "select 1 as one; select '=1+1' as f, null as gone, -5 as n, 'a,b' as c"
    answer = log_in("editor").post(CONSOLE, asked(source, sql, csv="2"))
    body = b"".join(answer.streaming_content).decode()
    assert answer["Content-Disposition"] == 'attachment; filename="shop.csv"'
    assert body == '\ufefff,gone,n,c\r\n\'=1+1,,-5,"a,b"\r\n'
    assert "There is no statement" in text(log_in("editor").post(CONSOLE, asked(source, sql, csv="9")))


def test_a_file_holds_no_formula_and_keeps_numbers():
    found = ResultSet(columns=["=x", "b"], rows=[["@a", True], ["-1.50", {"k": 1}], ["+1e5", "\tx"], ["-x", 2.5]])
    lines = "".join(csv_lines(found)).split("\r\n")
    assert lines[:4] == ["\ufeff'=x,b", "'@a,true", '-1.50,"{""k"": 1}"', "'+1e5,'\tx"]
    assert lines[4] == "'-x,2.5"


def test_a_query_is_saved_as_a_script_with_its_parameters(log_in, source):
    form = asked(source, "select :n, :word", values_json='{"n": 5, "word": "x"}', save="1", script_name="My query")
    answer = log_in("editor").post(CONSOLE, form)
    script = SqlScript.objects.get()
    assert answer["Location"] == reverse("admin:datasources_sqlscript_change", args=[script.pk])
    assert (script.slug, script.tenant) == ("my-query", source.tenant)
    version = script.versions.get()
    assert version.text == "select :n, :word"
    kinds = [(each["name"], each.get("type", "text"), each["default"]) for each in version.parameters]
    assert kinds == [("n", "int", 5), ("word", "text", "x")]
    again = text(log_in("editor").post(CONSOLE, form))
    assert "This is taken" in again
    assert "No name" not in again
    assert "required" in text(log_in("editor").post(CONSOLE, form | {"script_name": ""}))
    assert not QueryRecord.objects.exists()


def test_a_chinese_name_makes_a_slug_too(log_in, source):
    log_in("editor").post(CONSOLE, asked(source, save="1", script_name="每日收入"))
    assert SqlScript.objects.get().slug.startswith("script-")


def test_links_of_others_stand_under_a_single_result(log_in, source, monkeypatch):
    monkeypatch.setattr(console_links, "_makers", [])
    console_links.register(lambda source, sql, values: ("Make an alert of this", "/admin/alerts/add/"))
    client = log_in("editor")
    page = text(client.post(CONSOLE, asked(source, mode="read"), **XHR))
    assert f'href="/admin/alerts/add/?query={QueryRecord.objects.get().key}"' in page
    for form in (asked(source, "select 1; select 2", mode="read"), asked(source, mode="plan"), asked(source, "selekt")):
        assert "Make an alert" not in text(client.post(CONSOLE, form, **XHR))


def test_an_own_query_comes_back_into_the_form(log_in, source):
    client = log_in("editor")
    client.post(CONSOLE, asked(source, "select :n", values_json='{"n": 7}', mode="read"), **XHR)
    key = QueryRecord.objects.get().key
    form = client.get(f"{CONSOLE}?query={key}").context["form"]
    assert (form.initial["sql"], form.initial["values_json"]) == ("select :n", {"n": 7})
    assert "sql" not in log_in("owner").get(f"{CONSOLE}?query={key}").context["form"].initial


def test_history_is_ones_own(log_in, source):
    client = log_in("editor")
    client.post(CONSOLE, asked(source, mode="read"), **XHR)
    record = QueryRecord.objects.get()
    change = reverse("admin:datasources_queryrecord_change", args=[record.pk])
    assert "from items" in text(client.get(HISTORY))
    assert "from items" in text(client.get(change))
    for who in ("owner", make_platform_admin()):
        client = log_in(who)
        assert "from items" not in text(client.get(HISTORY))
        assert client.get(change).status_code == 404


def test_history_of_a_datasource_that_one_may_no_longer_use_is_gone(log_in, cast, source):
    client = log_in("editor")
    client.post(CONSOLE, asked(source, mode="read"), **XHR)
    cast.editor.memberships.update(role="viewer")
    set_grants(source_of(cast.tenant, _other(source), slug="till", name="Till"), **_use(cast))
    assert "from items" not in text(client.get(HISTORY))
    assert "Till" in text(client.get(CONSOLE))


def _other(source):
    return type("Target", (), {"kind": source.kind, "params": source.params, "password": ""})()


def _use(cast):
    return {"actor": cast.owner, "user": cast.editor, "verbs": ["use"]}


@pytest.mark.parametrize("who", ["viewer", "operator"])
def test_who_may_use_nothing_has_no_console(log_in, source, who):
    client = log_in(who)
    assert client.get(CONSOLE).status_code == 403
    assert client.post(CONSOLE, asked(source, mode="read")).status_code == 403
    assert CONSOLE not in text(client.get("/admin/"))
    assert not AuditEntry.objects.filter(verb="datasources.query.ran").exists()


def test_a_foreign_datasource_is_no_choice(log_in, source, sqlite_target):
    theirs = make_cast("other")
    client = log_in(theirs.owner)
    page = text(client.post(CONSOLE, asked(source, mode="read"), **XHR))
    assert "Select a valid choice" in page
    assert "Shop" not in text(client.get(CONSOLE))


def test_stopping_is_a_post_of_ones_own_key(log_in, cast, source):
    client = log_in("editor")
    record = QueryRecord.objects.create(
        tenant=cast.tenant, user=cast.editor, datasource=source, text="select 1", started_at=timezone.now()
    )
    assert client.get(f"{CONSOLE}stop/").status_code == 405
    assert client.post(f"{CONSOLE}stop/", {"key": "x"}).json() == {"stopped": False}
    assert client.post(f"{CONSOLE}stop/", {"key": record.key}).json() == {"stopped": True}


# --- run once now -----------------------------------------------------------------------------------------------------


@pytest.fixture
def script(cast, source):
    row = SqlScript(tenant=cast.tenant, name="One item", slug="one-item")
    item = {"name": "item", "type": "int", "required": True, "label": "Item"}
    draft = Draft(text="select name from items where id = :item", parameters=[item])
    scripts.save_script(row, draft, actor=cast.editor)
    return row


def run_page(script):
    return reverse("admin:datasources_sqlscript_run", args=[script.pk])


def test_a_script_is_run_once_with_its_typed_parameters(log_in, script, source):
    client = log_in("editor")
    field = client.get(run_page(script)).context["form"]["p-item"]
    assert (field.label, field.field.widget.input_type) == ("Item", "number")
    posted = {"datasource": source.pk, "p-item": "2", "mode": "read"}
    assert "milk" in text(client.post(run_page(script), posted, **XHR))
    record = QueryRecord.objects.get()
    assert (record.text, record.values) == (script.current.text, {"item": 2})


@pytest.mark.parametrize(("value", "words"), [("two", "must be a whole number"), ("", "is required")])
def test_a_wrong_parameter_is_a_sentence(log_in, script, source, value, words):
    page = text(log_in("editor").post(run_page(script), {"datasource": source.pk, "p-item": value, "mode": "read"}))
    assert words in page
    assert not QueryRecord.objects.exists()


def test_the_version_that_was_shown_is_run(log_in, cast, script, source):
    scripts.save_script(script, Draft(text="select 'new'"), actor=cast.editor)
    client = log_in("editor")
    old = text(client.post(f"{run_page(script)}?version=1", {"datasource": source.pk, "p-item": "2", "mode": "read"}))
    assert "milk" in old
    assert client.get(f"{run_page(script)}?version=9").status_code == 404


def test_a_linked_script_offers_its_datasources_only(log_in, cast, script, source):
    script.datasources.set([source_of(cast.tenant, _other(source), slug="till", name="Till")])
    client = log_in("editor")
    page = text(client.get(run_page(script)))
    assert "Till" in page
    assert "Shop (" not in page
    posted = {"datasource": source.pk, "p-item": "2", "mode": "read"}
    assert "Select a valid choice" in text(client.post(run_page(script), posted, **XHR))


def test_a_viewer_reads_a_script_and_does_not_run_it(log_in, script):
    client = log_in("viewer")
    assert run_page(script) not in text(client.get(reverse("admin:datasources_sqlscript_change", args=[script.pk])))
    assert client.get(run_page(script)).status_code == 403
