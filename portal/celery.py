"""The Celery application: `celery -A portal worker|beat`."""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, celeryd_init

from portal.lib.sturdy import use_sturdy_redis
from portal.processes import celery_service

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
if celery_service():  # all checks load all pages; `refuse_unsafe_start` makes those that matter here
    os.environ.setdefault("CELERY_SKIP_CHECKS", "1")
use_sturdy_redis()
app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
if celery_service() != "beat":  # it sends tasks by name
    app.autodiscover_tasks()


def refuse_unsafe_start(**kwargs: Any) -> None:
    """Before a worker or beat touches the ledger."""
    from portal import checks

    checks.refuse_unsafe_start()


celeryd_init.connect(refuse_unsafe_start, weak=False)
beat_init.connect(refuse_unsafe_start, weak=False)
