"""The Celery application: `celery -A portal worker|beat`."""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, celeryd_init

from portal.lib.sturdy import use_sturdy_redis

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
use_sturdy_redis()
app = Celery("portal")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def refuse_unsafe_start(**kwargs: Any) -> None:
    """Before a worker or beat touches the ledger."""
    from portal import checks

    checks.refuse_unsafe_start()


celeryd_init.connect(refuse_unsafe_start, weak=False)
beat_init.connect(refuse_unsafe_start, weak=False)
