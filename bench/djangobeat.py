"""The baseline of the tick: django-celery-beat's own scheduler, many crontabs all due, sending to the same broker."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler

from portal.celery import app

QUEUE = "bench-beat"


def fires_per_second(crontabs: int, *, seconds: float) -> float:
    """How many tasks it sends per second, once its rows are loaded: one per call of its tick, which then returns 0."""
    _add_crontabs(crontabs)
    try:
        scheduler: Any = DatabaseScheduler(app=app, lazy=False)
        scheduler.tick()  # loads every row
        began = time.perf_counter()
        fired = 0
        while (took := time.perf_counter() - began) < seconds and fired < crontabs - 1:
            fired += scheduler.tick() == 0
        scheduler._finalize.cancel()  # it would write its rows once more when this process ends
        return fired / took
    finally:
        PeriodicTask.objects.filter(queue=QUEUE).delete()
        CrontabSchedule.objects.filter(periodictask=None).delete()


def _add_crontabs(count: int) -> None:
    rules = [
        CrontabSchedule.objects.create(minute=str(minute), hour="*", timezone="Asia/Shanghai") for minute in range(60)
    ]
    past = timezone.now() - timedelta(hours=2)
    PeriodicTask.objects.bulk_create(
        [
            PeriodicTask(name=f"bench-{n}", task="bench.nothing", queue=QUEUE, crontab=rules[n % 60], last_run_at=past)
            for n in range(count)
        ],
        batch_size=1000,
    )
