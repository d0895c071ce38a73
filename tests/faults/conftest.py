"""The lanes of the fault suite: which ledger and broker a test gets, private servers for it, the checker after it.

`FAULTS_LANE=sqlite,postgres,mariadb` chooses lanes and lets the heavy tests in; without it only the fast subset runs,
on SQLite, but for tests that are marked for other lanes.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest

from tests import services
from tests.faults.checker import check
from tests.faults.witness import Witness
from tests.places import PLACES, Place
from tests.servers import MissingError
from tests.stack import Stack

FAILED = pytest.StashKey[bool]()


def chosen_lanes() -> list[str]:
    return [name for name in os.environ.get("FAULTS_LANE", "").split(",") if name]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "lane" not in metafunc.fixturenames:
        return
    marker = metafunc.definition.get_closest_marker("lanes")
    possible = list(marker.args) if marker else list(PLACES)
    wanted = [name for name in chosen_lanes() if name in possible] or ([] if chosen_lanes() else possible[:1])
    lanes = [
        pytest.param(name, marks=[] if name == "sqlite" else [pytest.mark.xdist_group(f"lane-{name}")])
        for name in wanted
    ]
    metafunc.parametrize("lane", lanes, scope="session", indirect=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture(scope="session")
def lane(request: pytest.FixtureRequest) -> Iterator[Place | None]:
    """The lane's servers, for all its tests; None for SQLite, where each stack brings its own."""
    if request.param == "sqlite":
        yield None
        return
    if services.is_set("NO_SERVICES"):
        pytest.skip("left out by NO_SERVICES")
    try:
        place = PLACES[request.param]()
    except MissingError as error:
        if services.is_set("REQUIRE_SERVICES"):
            pytest.fail(f"required, but missing: {error}", pytrace=False)
        pytest.skip(str(error))
    yield place
    place.close()


@pytest.fixture
def stack(
    request: pytest.FixtureRequest, lane: Place | None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack on the lane; `@pytest.mark.environ(NAME="value")` sets variables for all its processes."""
    marker = request.node.get_closest_marker("environ")
    folder = tmp_path_factory.mktemp("stack")
    with Stack(folder, lane, **(marker.kwargs if marker else {})) as made:
        yield made
        if not request.node.stash.get(FAILED, True):
            check(made, Witness(folder))


@pytest.fixture
def witness(stack: Stack) -> Witness:
    return Witness(stack.folder)
