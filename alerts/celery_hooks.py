"""Celery's processes keep a post office. What is below must not know of alerts, so these hang on Celery's signals."""

from __future__ import annotations

from typing import Any

from celery.signals import beat_init, worker_ready, worker_shutdown


def open_in_worker(**kwargs: Any) -> None:
    _open()


def open_in_beat(**kwargs: Any) -> None:
    _open()


def close(**kwargs: Any) -> None:
    """At the very end: what a draining worker's last runs have to tell is told. Beat closes as its interpreter ends."""
    _close()


def _open() -> None:
    """Imported only now: the transports are large, and other processes load this module too."""
    from alerts import office

    office.open_office()


def _close() -> None:
    from alerts import office

    office.close_office()


worker_ready.connect(open_in_worker, weak=False)
beat_init.connect(open_in_beat, weak=False)
worker_shutdown.connect(close, weak=False)
