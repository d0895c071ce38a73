"""Bells: Celery messages that name a queue. They carry no authority; a lost one only delays, the sweep rings again."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError

log = logging.getLogger(__name__)

BELL_TASK = "jobs.work"
BELL_EXPIRES_SECONDS = 60
QUEUE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")
MOST_BELLS_AT_ONCE = 64


def ring(queue: str, times: int = 1) -> bool:
    """Wake up to `times` idle slots of a queue now. False: the broker could not be reached; nothing is lost."""
    try:
        with current_app.producer_or_acquire() as producer:
            for _ in range(min(times, MOST_BELLS_AT_ONCE)):
                current_app.send_task(
                    BELL_TASK,
                    args=[queue],
                    queue=queue,
                    expires=BELL_EXPIRES_SECONDS,
                    ignore_result=True,
                    retry=False,
                    producer=producer,
                )
    except (KombuError, OSError, *current_app.connection_for_write().connection_errors) as error:
        log.warning("The broker can't be reached; runs wait for the next sweep.", extra={"error": str(error)})
        return False
    return True


def ring_on_commit(queues: Iterable[str]) -> None:
    """Ring once per entry (an iterable may name a queue several times) after the transaction has committed."""
    counts: dict[str, int] = {}
    for queue in queues:
        counts[queue] = counts.get(queue, 0) + 1
    for queue, times in counts.items():
        transaction.on_commit(lambda queue=queue, times=times: ring(queue, times), robust=True)  # type: ignore[misc]
