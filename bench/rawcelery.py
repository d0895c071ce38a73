"""The baseline: plain Celery that runs the same subprocess and records nothing but a count."""

import os
import subprocess

import redis
from celery import Celery

QUEUE = "bench-raw"
COUNTER = "bench-raw-done"
LATE = "bench-raw-late"  # a list: how late each script was, in seconds

app = Celery("rawcelery", broker=os.environ["CELERY_BROKER_URL"])
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=1, worker_enable_remote_control=False)
counter = redis.Redis.from_url(os.environ["CELERY_BROKER_URL"])


@app.task(name="raw")
def raw() -> None:
    subprocess.run(["/bin/bash", "-c", "/bin/true"], check=True)
    counter.incr(COUNTER)


@app.task(name="raw-line")
def line(due: float) -> None:
    printed = subprocess.run(["/bin/bash", "-c", "date +%s.%N"], check=True, capture_output=True, text=True)
    counter.rpush(LATE, float(printed.stdout) - due)
