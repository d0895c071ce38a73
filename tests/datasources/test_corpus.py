"""Every hostile statement against the real engines, as superuser: nothing changes, no file is made, nothing runs on.

Three ways through the door that jobs use: with the guard; with the guard taken away, so that the database's own
layers are seen; and so with a role of least privilege, where also those fail that a superuser would get through.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pymysql
import pytest

from datasources import engines
from datasources.query import QueryError, ResultSet, open_session
from tests.datasources import conftest, hostile
from tests.datasources.hostile import KINDS, Hostile, statements
from tests.datasources.victims import MySQLVictim, PostgresVictim, SQLiteVictim, Victim

# Users' databases, whatever the portal's own is: one lane is enough.
pytestmark = pytest.mark.ledger("sqlite")

SECONDS = 0.4  # of a statement that has no end
GONE_SECONDS = 10
SERVERS = ("postgres", "mysql")


@pytest.fixture(scope="module")
def victims() -> Iterator[dict[str, Victim]]:
    """Made once: each test proves that it left everything as it was."""
    made: dict[str, Victim] = {}
    yield made
    for each in made.values():
        each.remove()
        each.folder.rmdir()


@pytest.fixture
def victim(victims: dict[str, Victim], kind: str, service_url: Any, settings: Any) -> Victim:
    if kind not in victims:
        folder = Path(tempfile.mkdtemp(prefix="hostile-"))
        folder.chmod(0o777)  # the server is another user
        victims[kind] = _made(kind, folder, service_url)
        built(victims[kind])
    found = victims[kind]
    settings.PORTAL_SQLITE_ROOTS = [found.folder.parent]
    return found


def _made(kind: str, folder: Path, service_url: Any) -> Victim:
    if kind == "sqlite":
        return SQLiteVictim(conftest.target("sqlite", {"path": "shop.sqlite3"}, tenant=folder.name), folder)
    target = conftest.server_target(kind, service_url(kind))
    return PostgresVictim(target, folder) if kind == "postgres" else MySQLVictim(target, folder)


def cases(wanted: Any) -> list[Any]:
    """A parameter per engine and statement; the servers' are of the service lane."""
    return [
        pytest.param(kind, each, id=f"{kind}-{each.sql[:60]!r}", marks=[pytest.mark.services] * (kind in SERVERS))
        for kind in KINDS
        for each in statements(kind)
        if wanted(kind, each)
    ]


def run(victim: Victim, each: Hostile, *, as_role: bool = False) -> ResultSet:
    """Through the door that jobs use, on a read-only datasource."""
    target = replace(victim.role_target if as_role else victim.target, is_read_only=True)
    with open_session(target, timeout=SECONDS, read_only=False) as session:
        return session.execute(each.filled(**victim.places), max_rows=100, max_bytes=1_000_000)


def built(victim: Victim) -> None:
    victim.build()
    victim.before = victim.state()


def assert_untouched(victim: Victim) -> None:
    changed = {name: value for name, value in victim.state().items() if victim.before.get(name) != value}
    if changed:
        built(victim)  # the next test is not to blame
    assert changed == {}
    deadline = time.monotonic() + GONE_SECONDS
    while victim.running():
        assert time.monotonic() < deadline, "a statement or transaction is still open"
        time.sleep(0.15)  # InnoDB shows the same list again to who asks more often than every 0.1 s


@pytest.fixture
def no_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasources.query.check_select", lambda sql, kind: None)


@pytest.mark.parametrize(("kind", "each"), cases(lambda kind, each: True))
def test_nothing_hostile_happens_through_the_door_of_jobs(kind: str, each: Hostile, victim: Victim) -> None:
    if each.passes_guard:
        _tolerant(victim, each)
    else:
        with pytest.raises(QueryError) as caught:
            run(victim, each)
        assert caught.value.category == "business"
    assert_untouched(victim)


@pytest.mark.usefixtures("no_guard")
@pytest.mark.parametrize(("kind", "each"), cases(lambda kind, each: not each.breaks_alone))
def test_the_databases_own_layers_hold_a_superuser(kind: str, each: Hostile, victim: Victim) -> None:
    _tolerant(victim, each)
    assert_untouched(victim)


@pytest.mark.usefixtures("no_guard")
@pytest.mark.parametrize(("kind", "each"), cases(lambda kind, each: kind in SERVERS))
def test_a_role_of_least_privilege_changes_nothing_without_the_guard(kind: str, each: Hostile, victim: Victim) -> None:
    if each.breaks_alone:
        with contextlib.suppress(QueryError):
            assert run(victim, each, as_role=True).rows[0][-1] is None  # MySQL's load_file of who may not
    else:
        _tolerant(victim, each, as_role=True)
    assert_untouched(victim)


def _tolerant(victim: Victim, each: Hostile, **how: Any) -> None:
    """Refused, stopped or harmless: what counts is what is left."""
    started = time.monotonic()
    with contextlib.suppress(QueryError):
        run(victim, each, **how)
    assert time.monotonic() - started < SECONDS + GONE_SECONDS


@pytest.mark.parametrize(("kind", "each"), cases(lambda kind, each: each.bites))
def test_a_statement_that_is_said_to_bite_does_and_is_seen(kind: str, each: Hostile, victim: Victim) -> None:
    try:
        victim.let_through(each.filled(**victim.places))
        assert _state_or_nothing(victim) != victim.before
    finally:
        engines.forget(victim.target.key)
        built(victim)


def _state_or_nothing(victim: Victim) -> dict[str, Any] | None:
    """A dropped table can't be looked at: that is a difference too."""
    try:
        return victim.state()
    except (psycopg2.Error, pymysql.Error, OSError):
        return None
    except Exception as error:
        assert type(error).__module__ == "sqlite3"
        return None


@pytest.mark.services
@pytest.mark.parametrize("kind", SERVERS)
def test_a_file_and_a_running_statement_are_seen(kind: str, victim: Victim) -> None:
    (victim.folder / "made").touch()
    assert victim.state() != victim.before
    (victim.folder / "made").unlink()
    with open_session(victim.target, timeout=5, read_only=True) as session:
        session.read_only = False  # as if the rollback were forgotten
        session.execute("select * from items", max_rows=1, max_bytes=1000)
        assert victim.running() == 1
    assert_untouched(victim)


@pytest.mark.parametrize("kind", KINDS)
def test_the_corpus_holds_at_least_sixty_statements_for_each_engine(kind: str) -> None:
    texts = [each.sql for each in hostile.statements(kind)]
    assert [text for text in texts if texts.count(text) > 1] == []
    assert len(texts) >= 60
    assert sum(each.bites for each in hostile.statements(kind)) >= 20
