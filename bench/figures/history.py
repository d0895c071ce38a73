"""The pages of the history at 10 million runs, beside the same pages at 10,000. PostgreSQL only."""

from __future__ import annotations

import copy
import os
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Permission
from django.db import connections
from django.test import Client
from django.test.utils import override_settings, setup_test_environment, teardown_test_environment
from django.utils import timezone

from accounts.models import Membership, Tenant, User
from bench import histories
from bench.figure import Figure
from bench.place import Place, create_database, drop_database, quantile
from jobs.models import Job, Run

ORDER = 8
SMALL = 10_000
Page = Callable[[], str]
HOME = "home page"  # counts the runs of today, which are as many as come in a day: it has a limit of its own
HOME_MS = 500
PLAIN_FILES = {**settings.STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


def measure(place: Place, *, quick: bool) -> Iterator[Figure]:
    """p95 of each page; both histories are asked in turn, by a member of the largest tenant and by a platform admin."""
    if place.is_sqlite:
        print("The history is measured on PostgreSQL.", file=sys.stderr)
        return
    count = _size(quick)
    rounds = 5 if quick else 40
    empty()
    small = create_database("small")
    setup_test_environment(debug=False)
    large = connections["default"]
    plain = override_settings(STORAGES=PLAIN_FILES, HTTPS=False)
    plain.enable()
    try:
        little = _connection(small)
        sides = {"large": _filled(large, count), "small": _filled(little, min(SMALL, count // 2))}
        yield from _compare(sides, {"large": large, "small": little}, rounds=rounds, count=count)
    finally:
        plain.disable()
        connections["default"] = large
        drop_database(small)
        teardown_test_environment()


def empty() -> None:
    """The groups before have left jobs and runs."""
    with connections["default"].cursor() as cursor:
        cursor.execute("TRUNCATE accounts_tenant, jobs_run, jobs_job RESTART IDENTITY CASCADE")


def _size(quick: bool) -> int:
    return 20_000 if quick else int(os.environ.get("BENCH_HISTORY_RUNS", "10000000"))


def _connection(name: str) -> Any:
    """A second database, to stand in the default one's place."""
    made = connections.create_connection("default")
    made.settings_dict = {**copy.deepcopy(made.settings_dict), "NAME": name}
    return made


def _filled(connection: Any, count: int) -> dict[str, Client]:
    connections["default"] = connection
    began = time.perf_counter()
    with connection.cursor() as cursor:
        histories.fill(cursor, count)
    print(f"{count:,} runs made in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return {"member": _client(_member()), "platform admin": _client(_admin())}


def _member() -> User:
    """An operator of the largest tenant, and of another one."""
    user = User.objects.create_user("member", is_staff=True)
    for tenant in Tenant.objects.order_by("pk")[:2]:
        Membership.objects.create(tenant=tenant, user=user, role="operator")
    return user


def _admin() -> User:
    assert Permission.objects.exists()
    return User.objects.create_superuser("admin")


def _client(user: User) -> Client:
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


def pages() -> dict[str, Page]:
    """Name → address, made on the side it is asked of."""
    job = lambda: Job.objects.order_by("pk")[3].pk  # noqa: E731
    day = lambda days: (timezone.localtime() - timedelta(days=days)).date().isoformat()  # noqa: E731
    runs, jobs = "/admin/jobs/run/", "/admin/jobs/job/"
    return {
        HOME: lambda: "/admin/",
        "history": lambda: runs,
        "history, failures": lambda: f"{runs}?outcome=failures",
        "history, lost": lambda: f"{runs}?status__exact=lost",
        "history, by hand": lambda: f"{runs}?origin__exact=manual",
        "history, by backfill": lambda: f"{runs}?origin__exact=backfill",
        "history, one job": lambda: f"{runs}?job__id__exact={job()}",
        "history, last 7 days": lambda: f"{runs}?period=week",
        "history, a day 60 days ago": lambda: f"{runs}?scheduled_for_from={day(60)}&scheduled_for_to={day(60)}",
        "history, page 40": lambda: f"{runs}?p=40",
        "history, search for a job": lambda: f"{runs}?q=job-12",
        "history, search for a cause": lambda: f"{runs}?q=exit+code",
        "job list": lambda: jobs,
        "job list, last run failed": lambda: f"{jobs}?now=failed",
        "job page": lambda: f"{jobs}{job()}/change/",
        "newest run's page": lambda: f"{runs}{Run.objects.filter(job=job()).order_by('-id')[0].pk}/change/",
        "oldest run's page": lambda: f"{runs}{Run.objects.filter(job=job()).order_by('id')[0].pk}/change/",
    }


def _compare(
    sides: dict[str, dict[str, Client]], places: dict[str, Any], *, rounds: int, count: int
) -> Iterator[Figure]:
    for name, page in pages().items():
        for who in ("member", "platform admin"):
            taken: dict[str, list[float]] = {"large": [], "small": []}
            for turn in range(rounds + 2):
                for side in ("large", "small") if turn % 2 else ("small", "large"):
                    connections["default"] = places[side]
                    seconds = _ask(sides[side][who], page())
                    if turn >= 2:  # the first turns fill caches
                        taken[side].append(seconds)
            yield Figure(
                name=f"{name}, {who}, {count:,} runs, p95",
                value=quantile(taken["large"], 0.95) * 1000,
                unit="ms",
                baseline="the same page at 10,000 runs",
                baseline_value=quantile(taken["small"], 0.95) * 1000,
                target=HOME_MS if name == HOME else 1.5,
                better="lower",
                of="value" if name == HOME else "ratio",
            )


def _ask(client: Client, address: str) -> float:
    """Seconds of this process's and the database's work for one page."""
    began = time.perf_counter()
    answer = client.get(address)
    content = answer.content if not answer.streaming else b""
    seconds = time.perf_counter() - began
    if answer.status_code != 200 or not content:
        raise SystemExit(f"{address} answered {answer.status_code}: the figure would mean nothing.")
    return seconds
