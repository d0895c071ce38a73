"""The library of SQL scripts, as people use it."""

import pytest
from django.urls import reverse

from datasources import script_users, scripts
from datasources.models import DataSource, SqlScript
from datasources.scripts import Draft
from tests.cast import make_cast
from tests.datasources.test_scripts import Users

pytestmark = pytest.mark.django_db
LIST = "admin:datasources_sqlscript_changelist"
ADD = "admin:datasources_sqlscript_add"
FORM = {"name": "Daily", "slug": "daily", "description": "", "text": "SELECT 1", "parameters": "", "note": ""}


@pytest.fixture
def cast():
    return make_cast("acme")


@pytest.fixture
def users(monkeypatch):
    found = Users()
    monkeypatch.setattr(script_users, "_users", {"test": found})
    return found


@pytest.fixture
def script(cast, users):
    row = SqlScript(tenant=cast.tenant, name="Daily", slug="daily")
    scripts.save_script(row, Draft(text="SELECT 1"), actor=cast.editor)
    scripts.save_script(row, Draft(text="SELECT 2", note="two"), actor=cast.editor)
    return row


@pytest.fixture
def log_in(client, cast):
    def as_person(who):
        client.force_login(cast.members[who])
        return client

    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return as_person


def address(name, script):
    return reverse(f"admin:datasources_sqlscript_{name}", args=[script.pk])


def text(response):
    return response.content.decode()


def test_an_editor_makes_a_script_for_a_datasource(log_in, cast, users):
    source = DataSource.objects.create(tenant=cast.tenant, slug="shop", name="Shop", kind="sqlite")
    parameters = '[{"name": "day", "type": "date"}]'
    posted = FORM | {"text": "SELECT :day", "parameters": parameters, "datasources": [source.pk]}
    response = log_in("editor").post(reverse(ADD), posted)
    assert response.status_code == 302, text(response)
    row = SqlScript.objects.get()
    assert row.versions.get(number=1).parameters == [{"name": "day", "type": "date"}]
    assert list(row.datasources.all()) == [source]
    assert "Shop" in text(log_in("viewer").get(reverse(LIST)))


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"text": " "}, "text", "The SQL is empty"),
        ({"text": "/* nothing */"}, "text", "only comments"),
        ({"parameters": '{"a": 1}'}, "parameters", "square brackets"),
        ({"parameters": "[{"}, "parameters", "not JSON"),
        ({"parameters": '[{"name": "day", "type": "moon"}]'}, "parameters", "Choose one of"),
        ({"slug": "no slug"}, "slug", "slug"),
        ({"note": "x" * 201}, "note", "200"),
    ],
)
def test_bad_input_is_one_sentence_at_its_field(log_in, users, change, field, words):
    response = log_in("editor").post(reverse(ADD), FORM | change)
    errors = response.context["adminform"].form.errors
    assert list(errors) == [field]
    assert words in errors[field][0]
    assert not SqlScript.objects.exists()


def test_a_foreign_datasource_is_no_choice(log_in, users):
    theirs = DataSource.objects.create(tenant=make_cast("other").tenant, slug="x", name="Theirs", kind="sqlite")
    response = log_in("editor").post(reverse(ADD), FORM | {"datasources": [theirs.pk]})
    assert list(response.context["adminform"].form.errors) == ["datasources"]


def test_a_change_is_a_new_version_and_the_versions_are_compared(log_in, script):
    client = log_in("editor")
    assert client.post(address("change", script), FORM | {"text": "SELECT 3", "note": "three"}).status_code == 302
    page = text(client.get(address("versions", script) + "?old=1&new=3"))
    assert '<span class="del">-SELECT 1</span>' in page
    assert '<span class="add">+SELECT 3</span>' in page
    assert "three" in page
    assert script.versions.count() == 3


def test_an_old_version_is_restored_by_a_post(log_in, script):
    client = log_in("editor")
    assert client.get(address("restore", script)).status_code == 405
    assert "in force again" in text(client.post(address("restore", script), {"number": "1"}, follow=True))
    script.refresh_from_db()
    assert (script.current.number, script.current.text) == (3, "SELECT 1")
    assert client.post(address("restore", script), {"number": "99"}).status_code == 404


def test_a_viewer_reads_and_changes_nothing(log_in, script):
    client = log_in("viewer")
    page = text(client.get(address("change", script)))
    assert "SELECT 2" in page
    assert "Restore" not in text(client.get(address("versions", script)))
    assert client.post(address("change", script), FORM | {"text": "SELECT 3"}).status_code == 403
    assert client.post(address("restore", script), {"number": "1"}).status_code == 403
    assert script.versions.count() == 2


def test_a_foreign_script_is_not_there(client, script):
    client.force_login(make_cast("other").owner)
    for name in ("change", "versions", "restore", "delete"):
        assert client.post(address(name, script), {"number": "1"}).status_code == 404


def test_what_is_in_use_is_not_deleted_and_says_by_whom(log_in, cast, script, users):
    users.named = [DataSource.objects.create(tenant=cast.tenant, slug="shop", name="Nightly", kind="sqlite")]
    client = log_in("editor")
    assert "used by “Nightly”" in text(client.post(address("delete", script), {"post": "yes"}, follow=True))
    chosen = {"action": "delete_selected", "_selected_action": [script.pk], "post": "yes"}
    assert "used by “Nightly”" in text(client.post(reverse(LIST), chosen, follow=True))
    assert SqlScript.objects.exists()
    users.named = []
    assert client.post(address("delete", script), {"post": "yes"}).status_code == 302
    assert not SqlScript.objects.exists()


def test_a_datasource_that_scripts_are_bound_to_is_not_deleted(log_in, cast, script):
    shop, till = (
        DataSource.objects.create(tenant=cast.tenant, slug=n, name=n, kind="sqlite") for n in ("shop", "till")
    )
    script.datasources.set([shop])
    client = log_in("owner")
    url = reverse("admin:datasources_datasource_delete", args=[shop.pk])
    assert "1 SQL script that may run only there" in text(client.post(url, {"post": "yes"}))
    script.datasources.set([shop, till])
    assert client.post(url, {"post": "yes"}).status_code == 302
    assert list(script.datasources.all()) == [till]
