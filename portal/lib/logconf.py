"""Structured logs: one configuration for web, worker, beat and commands."""

import logging
import os
import platform
import sys
from contextlib import AbstractContextManager
from typing import Any

import structlog


def about(**facts: Any) -> AbstractContextManager[None]:
    """Every record of this thread within the block carries these fields: run_id, job_id, user_id, session_id, …"""
    return structlog.contextvars.bound_contextvars(**facts)


def _add_instance(logger: Any, name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Which process of which machine speaks; asked for each time, because servers fork."""
    event.setdefault("instance", f"{platform.node()}/{os.getpid()}")
    return event


def configure(*, level: str, output: str) -> None:
    """Send the standard library's records through structlog to stderr, as text or as one JSON object a line."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        _add_instance,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if output == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("sqlglot", "httpx", "httpcore", "kombu", "celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(noisy).setLevel("WARNING")
