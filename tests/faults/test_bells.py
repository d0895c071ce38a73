"""Bells carry no authority: forged, doubled, huge and unreadable ones change nothing."""

from __future__ import annotations

import pytest

from tests.stack import wait_for

pytestmark = pytest.mark.stack

FORGED = """
from celery import current_app
import portal.celery
for body in (["default"], ["other"], [{"a": 1}], [], ["default", "x"], [None], [["default"]], [1e308], ["x" * 10000]):
    for _ in range(10):
        current_app.send_task("jobs.work", args=body, queue="default")
current_app.send_task("jobs.work", kwargs={"queue": "default", "run": 1}, queue="default")
current_app.send_task("jobs.execute", args=[1], queue="default")
current_app.send_task("os.system", args=["touch /tmp/never"], queue="default")
"""
DOUBLED = """
from jobs.bells import ring
import portal.celery
for _ in range(20):
    ring("default", 50)
"""
HUGE = """
from celery import current_app
import portal.celery
current_app.send_task("jobs.work", args=["x" * 5_000_000], queue="default")
"""
UNREADABLE = """
import pickle
from kombu.connection import Connection
from django.conf import settings
bodies = [
    (b"not json", "application/json"), (b"\\xff\\xfe\\x00", "application/json"), (b"[]", "application/json"),
    (b'{"a": 1}', "application/json"), (b"[" * 100_000, "application/json"),
    (pickle.dumps({}), "application/x-python-serialize"), (b"x", "text/nonsense"),
]
known = {"task": "jobs.work", "id": "1", "lang": "py", "root_id": None, "parent_id": None, "group": None}
strange = [known | other for other in ({"task": {"a": 1}}, {"task": None}, {"id": []}, {"expires": "x"}, {"eta": [1]})]
with Connection(settings.CELERY_BROKER_URL) as connection:
    producer = connection.Producer()
    for body, kind in bodies:
        for heads in ({}, known, *strange):
            producer.publish(
                body, routing_key="default", content_type=kind, content_encoding="utf-8", headers=heads, serializer=None
            )
"""


@pytest.mark.parametrize(
    "bells",
    [
        pytest.param(FORGED, id="forged", marks=pytest.mark.faults),
        pytest.param(DOUBLED, id="doubled", marks=pytest.mark.faults),
        pytest.param(HUGE, id="huge", marks=pytest.mark.faults),
        pytest.param(UNREADABLE, id="unreadable"),
    ],
)
def test_a_worker_takes_no_harm_from_bells_and_runs_each_run_once(stack, witness, bells):
    stack.add_jobs(witness.job("quiet"), witness.job("after"))
    worker = stack.start_worker()
    runs = stack.request("quiet")
    stack.shell(bells)
    runs += stack.request("after")
    wait_for(stack.is_quiet, "the runs")
    wait_for(lambda: was_heard(stack), "the bells' end")
    assert sorted(witness.starts()) == runs
    assert worker.poll() is None


@pytest.mark.faults
@pytest.mark.lanes("sqlite", "postgres")
def test_a_worker_outlives_garbage_in_the_broker_itself(stack, witness):
    stack.add_jobs(witness.job("after"))
    worker = stack.start_worker()
    garbage = """
import redis
from django.conf import settings
client = redis.Redis.from_url(settings.CELERY_BROKER_URL)
for item in (b"garbage", b"{}", b"[]", b"null", b'{"body": 1}', b"\\xff" * 100, b"x" * 5_000_000):
    client.lpush("default", item)
"""
    stack.shell(garbage)
    [run] = stack.request("after")
    wait_for(lambda: stack.status_of(run) == "succeeded", "the run")
    assert witness.starts() == [run]
    assert worker.poll() is None


def was_heard(stack) -> bool:
    """Whether no bell waits any more, for the brokers that can be asked."""
    count = """
from celery import current_app
import portal.celery
with current_app.connection_for_read() as connection:
    try:
        print(connection.default_channel.queue_declare("default", passive=True).message_count)
    except connection.channel_errors:  # on Redis an empty list is no list
        print(0)
"""
    return int(stack.shell(count)) == 0
