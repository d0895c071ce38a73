"""A Celery consumer that a malformed message can't end.

Celery answers what it foresees (an unknown task, unreadable JSON) by throwing the message away; anything else ends the
worker, and with it every script it owns. On Redis such a message even comes back and ends the next worker. Here
everything that is wrong with a message itself costs that message only; trouble with the broker passes as before.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer
from kombu.transport import TRANSPORT_ALIASES

log = logging.getLogger(__name__)
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError)


class SturdyConsumer(Consumer):  # type: ignore[misc]
    """CELERY_WORKER_CONSUMER: what reads a message's headers and body."""

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        receive = super().create_task_handler(*args, **kwargs)

        def receive_or_refuse(message: Any) -> Any:
            try:
                return receive(message)
            except MALFORMED as error:
                log.warning("A malformed message was thrown away.", extra={"error": repr(error)[:200]})
                if not message.acknowledged:
                    message.reject_log_error(log, self.connection_errors)
                return None

        return receive_or_refuse


def use_sturdy_redis() -> None:
    """What reads the Redis list itself: an entry that is no envelope of a message is thrown away too."""
    for name in ("redis", "rediss"):
        TRANSPORT_ALIASES[name] = "portal.lib.sturdyredis:Transport"
