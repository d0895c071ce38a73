"""What a malformed message costs: itself. The processes are in tests/faults/test_bells.py."""

from __future__ import annotations

import amqp  # type: ignore[import-untyped]
import redis
from kombu.transport import TRANSPORT_ALIASES
from kombu.utils.imports import symbol_by_name

from portal.celery import app
from portal.lib.sturdy import MALFORMED, SturdyConsumer
from portal.lib.sturdyredis import Transport


def test_workers_read_messages_with_the_sturdy_consumer():
    assert symbol_by_name(app.conf.worker_consumer) is SturdyConsumer


def test_redis_is_read_through_the_sturdy_transport():
    assert {symbol_by_name(TRANSPORT_ALIASES[name]) for name in ("redis", "rediss")} == {Transport}


def test_trouble_with_the_broker_is_not_taken_for_a_malformed_message():
    trouble = [
        OSError,
        redis.exceptions.ConnectionError,
        redis.exceptions.TimeoutError,
        amqp.exceptions.ConnectionError,
    ]
    assert not [error for error in trouble if issubclass(error, MALFORMED)]
