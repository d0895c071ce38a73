"""The broker or the database goes away and comes back: nothing is lost, nothing runs twice, nothing is silent."""

from __future__ import annotations

import time
import urllib.error
import urllib.request

import pytest

from tests.stack import wait_for

pytestmark = [pytest.mark.stack]
SHORT_LEASE = {"PORTAL_LEASE_SECONDS": "12", "PORTAL_HEARTBEAT_SECONDS": "2", "PORTAL_SWEEP_SECONDS": "1"}
servers = pytest.mark.lanes("postgres", "mariadb")
faults = pytest.mark.faults


def stay_away(seconds: float) -> None:
    """Let real time pass while a server is away: the length of the outage is what is tested."""
    time.sleep(seconds)


LOG_IN = """
from django.contrib.auth import SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from accounts.models import User
user = User.objects.create_superuser("root", password="a-long-password")
session = SessionStore()
session.update({SESSION_KEY: str(user.pk), BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
                HASH_SESSION_KEY: user.get_session_auth_hash()})
session.create()
print(session.session_key)
"""


def get(url: str, session: str = "") -> tuple[int, str | None]:
    """Status and Retry-After of a page."""
    try:
        request = urllib.request.Request(url, headers={"Cookie": f"sessionid={session}"} if session else {})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers.get("Retry-After")
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Retry-After")


@servers
@pytest.mark.environ(**SHORT_LEASE)
def test_500_queued_runs_survive_a_flushall(stack, witness):
    stack.add_jobs(witness.job("many", overlap="allow", overlap_limit=500))
    runs = stack.request("many", 500)
    stack.place.broker.forget()
    stack.start_worker()
    wait_for(lambda: len(witness.starts()) >= 50, "the first of them")
    stack.place.broker.forget()
    wait_for(stack.is_quiet, "all of them", seconds=300)
    assert sorted(witness.starts()) == sorted(runs)
    assert stack.count("succeeded") == 500


@faults
@pytest.mark.environ(**SHORT_LEASE)
@pytest.mark.parametrize("seconds", [4, 15, pytest.param(60, marks=pytest.mark.slow)])
def test_runs_are_made_while_the_broker_is_away_and_start_when_it_is_back(stack, witness, seconds):
    stack.add_jobs(witness.job("often", every="1s", overlap="allow", overlap_limit=100))
    stack.start_worker()
    stack.start_beat()
    wait_for(witness.starts, "the first run")
    stack.place.broker.kill()
    before = stack.count()
    stay_away(seconds)
    assert stack.count() >= before + seconds - 3
    stack.place.broker.start()
    wait_for(lambda: stack.count("succeeded") >= before + seconds - 3, "what was made meanwhile")
    assert len(witness.starts()) == len(set(witness.starts()))


@faults
@pytest.mark.lanes("postgres")
@pytest.mark.environ(PORTAL_LEASE_SECONDS="30", PORTAL_HEARTBEAT_SECONDS="3", PORTAL_SWEEP_SECONDS="1")
def test_a_frozen_broker_ends_no_script_however_many_queues_wait(stack, witness):
    queues = ["default", "a", "b", "c"]
    stack.add_jobs(*(witness.job(f"long-{queue}", 34 if queue == "default" else 0, queue=queue) for queue in queues))
    stack.shell("from tests.stackrows import limit_running; limit_running(1)")
    stack.start_worker(queues=",".join(queues))
    [run] = stack.request("long-default")
    wait_for(witness.starts, "the script")
    for queue in queues[1:]:
        stack.request(f"long-{queue}")
    stack.place.broker.pause()
    wait_for(lambda: ("end", 1) in witness.words(run), "the end of the script", seconds=60)
    stack.place.broker.resume()
    wait_for(stack.is_quiet, "quiet")
    assert stack.value("SELECT count(*) FROM jobs_run WHERE status = 'succeeded' AND lost_count = 0") == 4


@servers
@faults
@pytest.mark.environ(**SHORT_LEASE)
@pytest.mark.parametrize("seconds", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_scripts_outlive_a_database_that_restarts_and_their_results_come_in_late(stack, witness, seconds):
    stack.add_jobs(*(witness.job(f"short-{n}", 2) for n in range(5)))
    stack.start_worker()
    runs = [stack.request(f"short-{n}")[0] for n in range(5)]
    wait_for(lambda: len(witness.starts()) == 5, "the scripts")
    stack.place.database.kill()
    wait_for(lambda: all(("end", 1) in witness.words(run) for run in runs), "the end of the scripts")
    stay_away(seconds)
    stack.place.database.start()
    wait_for(stack.is_quiet, "the results")
    assert [witness.words(run) for run in runs] == [[("start", 1), ("end", 1)]] * 5
    assert stack.count("succeeded") == 5


@servers
@faults
@pytest.mark.environ(**SHORT_LEASE)
def test_a_database_away_for_more_than_a_lease_ends_scripts_in_time_and_they_run_again(stack, witness):
    stack.add_jobs(witness.job("long", 20))
    stack.start_worker("w1")
    stack.start_worker("w2")
    [run] = stack.request("long")
    wait_for(witness.starts, "the script")
    stack.place.database.kill()
    began = time.monotonic()
    last = wait_for(lambda: silent_since(witness, run), "the end of the script, by its own worker", seconds=30)
    assert last <= began + 14, "it outlived its lease"
    stay_away(max(0.0, began + 15 - time.monotonic()))
    stack.place.database.start()
    wait_for(lambda: stack.status_of(run) == "succeeded", "the second attempt", seconds=120)
    assert witness.words(run) == [("start", 1), ("start", 2), ("end", 2)]


def silent_since(witness, run: int) -> float:
    """When the newest attempt left its last sign of life, once it has left none for two seconds."""
    last = max(line.at for line in witness.lines() if line.run == run)
    return last if time.clock_gettime(time.CLOCK_BOOTTIME) - last > 2 else 0.0


@servers
@faults
@pytest.mark.environ(**SHORT_LEASE)
def test_a_frozen_database_ends_scripts_in_time_and_they_run_again(stack, witness):
    stack.add_jobs(witness.job("long", 16))
    stack.start_worker("w1")
    [run] = stack.request("long")
    wait_for(witness.starts, "the script")
    stack.place.database.pause()
    wait_for(lambda: silent_since(witness, run), "the end of the script, by its own runner", seconds=30)
    stack.place.database.resume()
    wait_for(lambda: stack.status_of(run) == "succeeded", "the second attempt", seconds=120)
    assert witness.words(run) == [("start", 1), ("start", 2), ("end", 2)]


@servers
@faults
def test_pages_answer_503_with_retry_after_while_the_database_is_away(stack):
    stack.manage("collectstatic", "--noinput", "-v0")
    session = stack.shell(LOG_IN)
    page = f"{stack.start_web()}/admin/jobs/job/"
    assert get(page, session) == (200, None)
    stack.place.database.kill()
    status, retry_after = get(page, session)
    assert status == 503
    assert int(retry_after or 0) > 0
    assert get(page.replace("/admin/jobs/job/", "/readyz"))[0] == 503
    stack.place.database.start()
    wait_for(lambda: get(page, session) == (200, None), "the page")


@servers
@faults
def test_a_worker_started_while_the_database_is_away_works_as_soon_as_it_is_back(stack, witness):
    stack.add_jobs(witness.job("waits"))
    [run] = stack.request("waits")
    stack.place.database.kill()
    stack.start_worker()
    wait_for(lambda: "the worker waits for it" in (stack.folder / "w1.log").read_text(), "the worker's word")
    stack.place.database.start()
    wait_for(lambda: stack.status_of(run) == "succeeded", "the run")


@servers
@faults
@pytest.mark.environ(**SHORT_LEASE)
def test_beat_goes_on_where_it_was_after_a_database_restart(stack, witness):
    stack.add_jobs(witness.job("often", every="1s", overlap="allow", overlap_limit=100))
    stack.start_worker()
    stack.start_beat("beat1")
    stack.start_beat("beat2")
    wait_for(witness.starts, "the first run")
    stack.place.database.kill()
    stay_away(5)
    stack.place.database.start()
    before = len(witness.starts())
    wait_for(lambda: len(witness.starts()) >= before + 6, "what was due meanwhile")
    assert len(witness.starts()) == len(set(witness.starts()))
