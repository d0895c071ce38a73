"""Which processes make a portal, in the order of their start."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from portal.supervisor import broker
from portal.supervisor.environment import MAIL_FOLDER, Plan

STOP_ORDER = ("beat", "web", "worker", "mail", "broker")


@dataclass(frozen=True, kw_only=True)
class Service:
    name: str
    argv: tuple[str, ...]
    stop_seconds: float  # how long it may take to end by itself before it is killed


def broker_service(plan: Plan) -> Service | None:
    if plan.broker_config is None:
        return None
    return Service(name="broker", argv=(broker.find_server(), str(plan.broker_config)), stop_seconds=10)


def portal_services(plan: Plan) -> list[Service]:
    mail = [_mail(plan)] if plan.mail_port is not None else []
    return [*mail, _worker(plan), _beat(plan), _web(plan)]


def _web(plan: Plan) -> Service:
    environ = plan.environment
    bind = f"[{plan.bind}]:{plan.port}" if ":" in plan.bind else f"{plan.bind}:{plan.port}"
    argv = [sys.executable, "-m", "gunicorn", "portal.wsgi:application", "--bind", bind]
    argv += ["--workers", environ.get("WEB_CONCURRENCY") or "1", "--worker-class", "gthread"]
    argv += ["--threads", environ.get("WEB_THREADS") or "8", "--timeout", "60", "--graceful-timeout", "10"]
    argv += ["--no-control-socket", "--log-level", "warning"]
    if os.access("/dev/shm", os.W_OK):  # noqa: S108 - gunicorn's heartbeat file must not be on a slow disk
        argv += ["--worker-tmp-dir", "/dev/shm"]  # noqa: S108
    return Service(name="web", argv=tuple(argv), stop_seconds=15)


def _worker(plan: Plan) -> Service:
    environ = plan.environment
    argv = [sys.executable, "-m", "celery", "-A", "portal", "worker", "--pool=threads"]
    argv += [f"--concurrency={environ.get('PORTAL_WORKER_CONCURRENCY') or '16'}"]
    argv += ["--without-gossip", "--without-mingle", "--without-heartbeat", "-n", "embedded@%h"]
    argv += ["-Q", environ.get("PORTAL_QUEUES") or "default", "--loglevel", _log_level(environ)]
    drain = float(environ.get("PORTAL_DRAIN_SECONDS") or 30) + float(environ.get("PORTAL_KILL_GRACE_SECONDS") or 10)
    return Service(name="worker", argv=tuple(argv), stop_seconds=drain + 5)


def _beat(plan: Plan) -> Service:
    argv = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "portal",
        "beat",
        "--loglevel",
        _log_level(plan.environment),
    ]
    argv += ["--schedule", str(plan.data_dir / "beat-schedule")]
    return Service(name="beat", argv=tuple(argv), stop_seconds=10)


def _mail(plan: Plan) -> Service:
    folder = plan.data_dir / MAIL_FOLDER
    return Service(
        name="mail",
        argv=(sys.executable, "-m", "portal.mailsink", str(plan.mail_port), str(folder)),
        stop_seconds=5,
    )


def _log_level(environ: Mapping[str, str]) -> str:
    return environ.get("LOG_LEVEL") or "INFO"
