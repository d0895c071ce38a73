"""The Redis transport of kombu, for lists that hold more than kombu's own envelopes. See `portal.lib.sturdy`."""

from __future__ import annotations

import logging
from typing import Any

from kombu.transport import redis

from portal.lib.sturdy import MALFORMED

log = logging.getLogger(__name__)


class Channel(redis.Channel):
    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call,unused-ignore]
        except MALFORMED as error:
            log.warning(
                "An entry of the broker that is no message was thrown away.", extra={"error": repr(error)[:200]}
            )
            return True


class Transport(redis.Transport):
    Channel = Channel
