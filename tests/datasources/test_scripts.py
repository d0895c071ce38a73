"""The library of SQL scripts: versions that never change, what is refused, and who may use what."""

import pytest
from django.core.exceptions import PermissionDenied

from accounts.models import AuditEntry
from datasources import script_users, scripts
from datasources.models import DataSource, SqlScript, SqlScriptVersion
from datasources.scripts import Draft, ScriptInUseError
from portal.lib.fielderrors import FieldErrors
from tests.cast import make_cast

pytestmark = pytest.mark.django_db
DAY = {"name": "day", "type": "date", "required": True}


class Users:
    """Something above the library that names its scripts."""

    def __init__(self, rows=(), refused=""):
        self.named, self.refused, self.followed = list(rows), refused, []

    def rows(self, script):
        return self.named

    def refusal(self, script, *, author):
        return self.refused

    def follow(self, script, *, actor):
        self.followed.append((script.slug, script.current.number))


@pytest.fixture
def cast():
    return make_cast("acme")


@pytest.fixture
def source(cast):
    return DataSource.objects.create(tenant=cast.tenant, slug="shop", name="Shop", kind="sqlite")


@pytest.fixture
def users(monkeypatch):
    found = Users()
    monkeypatch.setattr(script_users, "_users", {})
    script_users.register("test", found)
    return found


@pytest.fixture
def script(cast, users):
    row = SqlScript(tenant=cast.tenant, name="Daily", slug="daily")
    scripts.save_script(row, Draft(text="SELECT 1;\r\nSELECT 2"), actor=cast.editor)
    return row


def refused(row, draft, actor=None):
    with pytest.raises(FieldErrors) as found:
        scripts.save_script(row, draft, actor=actor)
    return {error.path: error.message for error in found.value.errors}


def test_a_new_script_has_its_first_version_and_is_audited(cast, script):
    version = SqlScriptVersion.objects.get()
    assert (version.number, version.text, version.author) == (1, "SELECT 1;\nSELECT 2", cast.editor)
    assert script.current == version
    assert AuditEntry.objects.get().verb == "datasources.sqlscript.created"


def test_another_text_is_a_new_version_and_the_old_one_stays(cast, script, users):
    assert scripts.save_script(script, Draft(text="SELECT 3", note="three"), actor=cast.owner)
    rows = list(script.versions.order_by("number").values_list("number", "text", "note", "author"))
    assert rows[0][:2] == (1, "SELECT 1;\nSELECT 2")
    assert rows[1] == (2, "SELECT 3", "three", cast.owner.pk)
    assert users.followed == [("daily", 1), ("daily", 2)]


def test_the_same_text_is_no_new_version_and_other_parameters_are(cast, script):
    assert not scripts.save_script(script, Draft(text="SELECT 1;\nSELECT 2"), actor=cast.editor)
    assert scripts.save_script(script, Draft(text="SELECT 1;\nSELECT 2", parameters=[DAY]), actor=cast.editor)
    assert script.current.parameters == [DAY]


def test_a_stale_row_does_not_lose_the_version_somebody_else_saved(cast, script):
    stale = SqlScript.objects.get(pk=script.pk)
    scripts.save_script(script, Draft(text="SELECT 3"), actor=cast.editor)
    assert scripts.save_script(stale, Draft(text="SELECT 1;\nSELECT 2"), actor=cast.owner), "it is not what is in force"
    script.refresh_from_db()
    assert script.current == script.versions.get(number=3)


def test_restoring_makes_a_new_version_of_the_old_text(cast, script):
    scripts.save_script(script, Draft(text="SELECT 3"), actor=cast.editor)
    first = script.versions.get(number=1)
    assert scripts.restore_version(script, first, actor=cast.owner)
    script.refresh_from_db()
    assert (script.current.number, script.current.text) == (3, first.text)
    assert "1" in script.current.note
    assert not scripts.restore_version(script, first, actor=cast.owner)


@pytest.mark.parametrize(
    ("text", "parameters", "place"),
    [
        ("  ", [], "text"),
        ("-- only words", [], "text"),
        ("SELECT '\0'", [], "text"),
        ("SELECT 1", [{"name": "Not a name"}], "parameters[0]"),
        ("SELECT 1", [{"name": "day", "type": "moon"}], "parameters[0].type"),
        ("SELECT 1", [{"name": "day", "type": "date", "default": "soon"}], "parameters[0]"),
        ("SELECT 1", [DAY, DAY], "parameters"),
        ("SELECT 1", [{"name": f"p{n}"} for n in range(51)], "parameters"),
    ],
)
def test_bad_input_is_refused_at_its_place_and_nothing_is_saved(cast, users, text, parameters, place):
    row = SqlScript(tenant=cast.tenant, name="Daily", slug="daily")
    assert list(refused(row, Draft(text=text, parameters=parameters))) == [place]
    assert not SqlScript.objects.exists()


def test_too_much_text_is_refused(cast, users, settings):
    settings.PORTAL_SCRIPT_MAX_BYTES = 1024
    row = SqlScript(tenant=cast.tenant, name="Daily", slug="daily")
    assert "1 KB" in refused(row, Draft(text="SELECT '" + "x" * 1024 + "'"))["text"]


def test_name_and_slug_are_unique_in_a_tenant_only(cast, script):
    twin = SqlScript(tenant=cast.tenant, name="Daily", slug="daily")
    assert set(refused(twin, Draft(text="SELECT 1"))) == {"name", "slug"}
    elsewhere = SqlScript(tenant=make_cast("other").tenant, name="Daily", slug="daily")
    assert scripts.save_script(elsewhere, Draft(text="SELECT 1"), actor=None)


def test_only_who_may_change_saves_restores_and_deletes(cast, script):
    version = script.versions.get()
    for who in (cast.operator, cast.viewer, make_cast("other").owner):
        with pytest.raises(PermissionDenied):
            scripts.save_script(script, Draft(text="SELECT 3"), actor=who)
        with pytest.raises(PermissionDenied):
            scripts.restore_version(script, version, actor=who)
        with pytest.raises(PermissionDenied):
            scripts.delete_script(script, actor=who)
    assert script.versions.count() == 1


def test_what_is_in_use_is_neither_deleted_nor_renamed_and_names_only_what_is_seen(cast, script, users, source):
    theirs = DataSource.objects.create(tenant=make_cast("other").tenant, slug="x", name="Hidden", kind="sqlite")
    users.named = [source, theirs]
    with pytest.raises(ScriptInUseError) as found:
        scripts.delete_script(script, actor=cast.editor)
    assert "“Shop” and 1 more" in str(found.value)
    assert "Hidden" not in str(found.value)
    script.slug = "nightly"
    assert "Shop" in refused(script, Draft(text="SELECT 1"), cast.editor)["slug"]
    users.named = [theirs]
    with pytest.raises(ScriptInUseError, match="1 job that you may not see"):
        scripts.delete_script(script, actor=cast.editor)
    users.named = []
    script.refresh_from_db()
    scripts.delete_script(script, actor=cast.editor)
    assert not SqlScriptVersion.objects.exists()


def test_a_version_that_its_author_may_not_have_run_is_refused(cast, script, users):
    users.refused = "You may not use the datasource."
    assert refused(script, Draft(text="SELECT 3"), cast.editor) == {"text": users.refused}
    assert not scripts.save_script(script, Draft(text="SELECT 1;\nSELECT 2"), actor=cast.editor)


def test_the_version_asked_for_is_found_else_the_newest(cast, script):
    scripts.save_script(script, Draft(text="SELECT 3"), actor=cast.editor)
    newest, first = (scripts.find_version(cast.tenant.pk, "daily", number) for number in (None, 1))
    assert newest == script.current
    assert first == script.versions.get(number=1)
    assert scripts.find_version(cast.tenant.pk, "daily", 9) is None
    assert scripts.find_version(make_cast("other").tenant.pk, "daily") is None


def test_it_runs_where_it_is_linked_by_who_may_use_it_and_whose_author_may(cast, script, source):
    other = DataSource.objects.create(tenant=cast.tenant, slug="till", name="Till", kind="sqlite")
    version = script.current
    assert scripts.refusal(version, source, user=cast.owner) == ""
    assert "acme-viewer may not use the SQL script" in scripts.refusal(version, source, user=cast.viewer)
    script.datasources.set([other])
    assert "not meant for the datasource “shop”" in scripts.refusal(version, source, user=cast.owner)
    assert scripts.refusal(version, other, user=cast.owner) == ""
    cast.editor.memberships.update(role="viewer")
    assert "by acme-editor, who may not use" in scripts.refusal(version, other, user=cast.owner)
