"""Bells: Celery messages that name a queue, and the moment from which it has something to do, if that is to come.

They carry no authority; a lost one only delays, the sweep rings again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import partial

from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError

from jobs.ringer import MOST_BELLS, Call, Ringer

log = logging.getLogger(__name__)

BELL_TASK = "jobs.work"
BELL_EXPIRES_SECONDS = 60
_ringers: list[Ringer] = []  # this process's one, where it has loops that must not wait for the broker


def ring_in_background() -> None:
    """From now on this process rings in a thread: for beat, workers and web servers, which live on."""
    if not _ringers:
        _ringers.append(Ringer(send))


def know_enough(enough: Mapping[str, int]) -> None:
    """How many bells wake all workers of each queue, so that none is rung more often than that at once."""
    for ringer in _ringers:
        ringer.know(enough)


def ring(queue: str, times: int = 1, *, at: datetime | None = None) -> bool:
    """Wake up to `times` idle slots of a queue, at `at` if that is to come. False: the broker could not be reached;
    nothing is lost.
    """
    call = Call(queue, times, None if at is None else at.timestamp())
    for ringer in _ringers:
        ringer.want(*call)
        return True
    return send(call)


def send(call: Call) -> bool:
    """Put the bells into the broker now. False: it could not be reached."""
    args = [call.queue] if call.at is None else [call.queue, call.at]
    try:
        with current_app.producer_or_acquire() as producer:
            for _ in range(min(call.times, MOST_BELLS)):
                current_app.send_task(
                    BELL_TASK,
                    args=args,
                    queue=call.queue,
                    expires=BELL_EXPIRES_SECONDS,
                    ignore_result=True,
                    retry=False,
                    producer=producer,
                )
    except (KombuError, OSError, *current_app.connection_for_write().connection_errors) as error:
        log.warning("The broker can't be reached; runs wait for the next sweep.", extra={"error": str(error)})
        return False
    return True


def ring_on_commit(queues: Iterable[str], *, at: datetime | None = None) -> None:
    """Ring once per entry (an iterable may name a queue several times) after the transaction has committed."""
    counts: dict[str, int] = {}
    for queue in queues:
        counts[queue] = counts.get(queue, 0) + 1
    for queue, times in counts.items():
        transaction.on_commit(partial(ring, queue, times, at=at), robust=True)
