"""A SQLite datasource reaches its tenant's files and nothing else."""

import os
import sqlite3
from dataclasses import replace

import pytest

from datasources.query import QueryError, open_session
from tests.datasources.conftest import target


def run(wanted, sql):
    with open_session(wanted, timeout=5, read_only=False) as session:
        return session.execute(sql, max_rows=10, max_bytes=10_000)


def code_of(wanted, sql="select 1"):
    with pytest.raises(QueryError) as caught:
        run(wanted, sql)
    return caught.value.code


@pytest.mark.parametrize("path", ["/etc/passwd", "../other/x.sqlite3", "../../x", "a/../../other/x", "", ".", "a\0b"])
def test_paths_outside_the_folder_are_refused(roots, path):
    (roots / "other").mkdir()
    sqlite3.connect(roots / "other" / "x.sqlite3").close()
    assert code_of(target("sqlite", {"path": path or " "})) in (
        "folder_not_allowed",
        "no_file",
        "bad_definition",
        "value",
    )


def test_a_link_out_of_the_folder_is_refused(roots, tmp_path):
    (tmp_path / "secret.sqlite3").touch()
    os.symlink(tmp_path / "secret.sqlite3", roots / "acme" / "link.sqlite3")
    assert code_of(target("sqlite", {"path": "link.sqlite3"})) == "folder_not_allowed"


def test_the_ledger_is_refused_even_as_a_hard_link(roots, tmp_path, settings):
    ledger = tmp_path / "portal.sqlite3"
    sqlite3.connect(ledger).close()
    ledger.touch()
    os.link(ledger, roots / "acme" / "mine.sqlite3")
    settings.DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(ledger)}}
    assert code_of(target("sqlite", {"path": "mine.sqlite3"})) == "ledger"


def test_another_tenants_absolute_path_is_refused(sqlite_target, roots):
    path = str(roots / "acme" / "shop.sqlite3")
    assert run(replace(sqlite_target, params={"path": path}), "select 1").rows == [[1]]
    assert code_of(replace(sqlite_target, params={"path": path}, tenant="other")) == "folder_not_allowed"


@pytest.mark.parametrize(
    "sql",
    [
        "attach '/tmp/portal_attach_test.sqlite3' as x",
        "attach ':memory:' as x",
        "vacuum into '/tmp/portal_attach_test.sqlite3'",
        "select load_extension('x.so')",
        "pragma journal_mode = delete",
        "pragma writable_schema = 1",
        "pragma user_version = 5",
        "pragma temp_store_directory = '/tmp'",
    ],
)
def test_a_writable_datasource_opens_no_other_file(sqlite_target, sql):
    assert code_of(sqlite_target, sql) in ("permission", "syntax", "read_only")
    assert not os.path.exists("/tmp/portal_attach_test.sqlite3")


def test_looking_at_the_schema_is_allowed(sqlite_target):
    assert len(run(sqlite_target, "pragma table_info(items)").rows) == 2
    assert run(sqlite_target, "pragma user_version").rows == [[0]]


def test_a_missing_file_is_made_only_when_asked(roots):
    wanted = target("sqlite", {"path": "sub/new.sqlite3"})
    assert code_of(wanted) == "no_file"
    assert not (roots / "acme" / "sub").exists()
    run(replace(wanted, params={"path": "sub/new.sqlite3", "create": True}), "create table t (a int)")
    assert (roots / "acme" / "sub" / "new.sqlite3").exists()
