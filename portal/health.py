"""`/healthz` (this process lives), `/readyz` (the portal can do its work), `/version`.

They are answered before the host check and the redirect to HTTPS, because a load balancer asks by address.
/readyz is open to anybody, so that it says which part fails, never why: the log does.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse, JsonResponse
from kombu.exceptions import OperationalError as BrokerError

from alerts import consume, turns
from jobs import dbclock, watchdog
from jobs.models import BeatHeartbeat, WorkerNode
from portal import __version__
from portal.celery import app

logger = logging.getLogger(__name__)
CACHE_SECONDS = 1.0  # so that anybody's requests cost the ledger and the broker at most one look a second
OUTAGE_SECONDS = 5.0  # between two looks of the watchdog
View = Callable[[HttpRequest], HttpResponse]


class NotReady(Exception):
    """A part is not ready; the text is for the log."""


def check_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()


def check_migrations() -> None:
    wanted = set(MigrationLoader(None).graph.leaf_nodes())
    missing = wanted - set(MigrationRecorder(connection).applied_migrations())
    if missing:
        raise NotReady(f"{len(missing)} apps have migrations to apply: run manage.py migrate")


def check_broker() -> None:
    with app.connection_for_write(connect_timeout=2) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, interval_step=0, timeout=2)


def check_beat() -> None:
    _seen_within_a_lease(BeatHeartbeat, "beat")


def check_worker() -> None:
    _seen_within_a_lease(WorkerNode, "worker")


def check_post_office() -> None:
    reason = post_office_trouble()
    if reason:
        raise NotReady(reason)


def post_office_trouble() -> str:
    """Who makes passes and gets nowhere is no better than nobody."""
    now = dbclock.now()
    silent = turns.silent(now)
    if silent:
        oldest = min(silent.values())
        return f"nobody has done {', '.join(silent)} since {oldest:%Y-%m-%d %H:%M:%S} UTC"
    behind = consume.lag(now)
    if behind < consume.STUCK:
        return ""
    return f"no alert rule has looked at what happened {behind.total_seconds() / 60:.0f} minutes ago"


def _seen_within_a_lease(model: type[models.Model], name: str) -> None:
    """Compared in the database, whose clock wrote the heartbeat."""
    limit = Now() - timedelta(seconds=settings.PORTAL_LEASE_SECONDS)
    rows = model._default_manager.filter(last_seen_at__gte=limit)
    if model is WorkerNode:
        rows = rows.filter(stopped_at__isnull=True)
    if not rows.exists():
        raise NotReady(f"no {name} was seen for {settings.PORTAL_LEASE_SECONDS:.0f} s")


PARTS: dict[str, Callable[[], None]] = {
    "database": check_database,
    "broker": check_broker,
    "migrations": check_migrations,
    "beat": check_beat,
    "worker": check_worker,
    "post_office": check_post_office,
}


def failure_of(check: Callable[[], None]) -> str:
    """Why a part is not ready, in a sentence for operators; empty when it is."""
    try:
        check()
    except NotReady as error:
        return str(error)
    except (BrokerError, OSError) as error:
        return f"it can't be reached: {error}"
    except Exception as error:  # every driver has its own tree of errors, and a probe must answer
        return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    return ""


class _Readiness:
    """The last look at the parts, shared by the threads of a process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._at = -CACHE_SECONDS
        self._outages_at = -OUTAGE_SECONDS
        self._failures: dict[str, str] = {}

    def failures(self) -> dict[str, str]:
        with self._lock:
            if time.monotonic() - self._at >= CACHE_SECONDS:
                found = {name: failure_of(check) for name, check in PARTS.items()}
                self._log_changes(found)
                self._failures, self._at = found, time.monotonic()
                self._record_outages(found)
            return self._failures

    def _record_outages(self, found: dict[str, str]) -> None:
        """Whoever asks /readyz keeps the watchdog awake, also when beat and every worker are gone."""
        if time.monotonic() - self._outages_at < OUTAGE_SECONDS or found.get("migrations"):
            return
        self._outages_at = time.monotonic()
        watch = watchdog.watch("web", is_patient=False)
        if found.get("database"):
            watch.lost_database()
            return
        try:
            watch.look(dbclock.now(), broker_is_up=not found.get("broker"))
        except DatabaseError as error:
            logger.warning("The watchdog could not look: %s", error)

    def _log_changes(self, found: dict[str, str]) -> None:
        for name, reason in found.items():
            if reason and not self._failures.get(name):
                logger.info("The part %s is not ready: %s", name, reason)


readiness = _Readiness()


def healthz(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    failures = readiness.failures()
    ready = not any(failures.values())
    body: dict[str, Any] = {
        "status": "ready" if ready else "not ready",
        "parts": {name: {"ok": not reason} for name, reason in failures.items()},
    }
    return JsonResponse(body, status=200 if ready else 503, headers={} if ready else {"Retry-After": "5"})


def version(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"version": __version__})


PROBES: dict[str, View] = {"/healthz": healthz, "/readyz": readyz, "/version": version}


class ProbeMiddleware:
    """Answers the probes before anything that asks for a host name, a session or HTTPS."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = PROBES.get(request.path) if request.method in ("GET", "HEAD") else None
        answer = probe(request) if probe else self.get_response(request)
        if probe:
            answer["Cache-Control"] = "no-store"
            # Django would log an error for each 503; a part that fails is logged once, with its reason.
            answer._has_been_logged = True  # type: ignore[attr-defined]
        return answer
