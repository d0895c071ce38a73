"""What every test shares."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from typing import Any

import pytest
from django.db import connection

from portal.lib import crypto
from tests import services

TEST_KEY = crypto.generate_key()


@pytest.fixture(autouse=True)
def encryption_key(settings: Any) -> str:
    """Secrets can be saved in tests; nothing is derived from SECRET_KEY."""
    settings.FIELD_ENCRYPTION_KEYS = [TEST_KEY]
    return TEST_KEY


@pytest.fixture(autouse=True)
def fast_passwords(settings: Any) -> None:
    """Strong hashing would be most of the suite's time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def english(settings: Any) -> None:
    """Tests read English sentences, whether the Chinese catalogue is compiled or not."""
    settings.LANGUAGE_CODE = "en"


@pytest.fixture(scope="session")
def service_url() -> Callable[[str], str]:
    """`service_url("postgres")`: the address of a real server; skips or fails without it."""
    return services.service_url


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a real browser; skips or fails without it."""
    return services.chromium()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A test marked `ledger("postgresql")` is about that database only; elsewhere it is left out."""
    kept = [item for item in items if _fits_ledger(item) and _is_wanted(item)]
    left_out = [item for item in items if item not in kept]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def _fits_ledger(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("ledger")
    return marker is None or connection.vendor in marker.args


def _is_wanted(item: pytest.Item) -> bool:
    """Heavy faults run when their lane is named, and those of minutes when asked for."""
    if item.get_closest_marker("slow") and not services.is_set("FAULTS_SLOW"):
        return False
    chosen, lanes = os.environ.get("FAULTS_LANE", ""), item.get_closest_marker("lanes")
    if chosen and lanes and not set(chosen.split(",")) & set(lanes.args):
        return False
    return item.get_closest_marker("faults") is None or bool(chosen)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where everything is required, a skip is a failure: otherwise a lane could go missing unseen."""
    report = yield
    if report.skipped and services.is_set("REQUIRE_SERVICES") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although REQUIRE_SERVICES is set: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"ledger: {connection.vendor}; {services.summary()}")


@pytest.fixture(autouse=True)
def _nothing_is_remembered() -> None:
    """Rows of the next test have the same ids."""
    from jobs import freezes, logquota, queues
    from jobs.engine import published
    from jobs.scheduling import due

    published.forget()
    due.forget()
    freezes.forget()
    queues.forget()
    logquota.forget()
