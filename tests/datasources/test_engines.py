"""Pools follow definitions, threads and forks."""

import os
import threading
from dataclasses import replace

import pytest

from datasources import engines
from datasources.drivers import DRIVERS
from datasources.query import open_session
from tests.datasources.conftest import target

TARGET = target("postgres", {"host": "127.0.0.1", "port": 1, "database": "d", "user": "u"}, "p")
POSTGRES = DRIVERS.get("postgres")


@pytest.fixture(autouse=True)
def nothing_is_held() -> None:
    """Other tests of this process have left their engines."""
    for key in list(engines._engines):
        engines.forget(key)


def test_one_definition_has_one_engine():
    assert engines.engine_for(TARGET, POSTGRES) is engines.engine_for(TARGET, POSTGRES)


@pytest.mark.parametrize("change", [{"password": "q"}, {"params": {**TARGET.params, "port": 2}}])
def test_a_changed_definition_gets_a_new_engine(change):
    first = engines.engine_for(TARGET, POSTGRES)
    assert engines.engine_for(replace(TARGET, **change), POSTGRES) is not first
    assert len(engines._engines) == 1


def test_the_number_of_engines_is_bounded():
    for number in range(engines.MOST_ENGINES + 5):
        engines.engine_for(replace(TARGET, key=str(number)), POSTGRES)
    assert len(engines._engines) == engines.MOST_ENGINES


def test_threads_share_one_engine():
    found = set()
    threads = [threading.Thread(target=lambda: found.add(engines.engine_for(TARGET, POSTGRES))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1


@pytest.mark.services
def test_a_forked_child_has_its_own_connections_and_leaves_ours_alone(postgres_target):
    def backend():
        with open_session(postgres_target, timeout=5, read_only=False) as session:
            return session.execute("select pg_backend_pid()", max_rows=1, max_bytes=1000).rows[0][0]

    ours = backend()
    child = os.fork()
    if child == 0:
        os._exit(1 if backend() == ours else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert backend() == ours
