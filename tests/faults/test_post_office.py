"""Notifications over real SMTP and HTTP: senders die, channels die, the database goes away; nothing is lost."""

from __future__ import annotations

import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.alerts.transports.mailserver import MailServer
from tests.alerts.transports.webserver import Answer, WebServer
from tests.servers import free_port
from tests.stack import wait_for

pytestmark = [
    pytest.mark.stack,
    pytest.mark.environ(
        PORTAL_HTTP_ALLOWED_NETWORKS="127.0.0.0/8",
        PORTAL_LEASE_SECONDS="12",
        PORTAL_HEARTBEAT_SECONDS="2",
        PORTAL_SWEEP_SECONDS="1",
    ),
]
faults = pytest.mark.faults
servers = pytest.mark.lanes("postgres", "mariadb")


@pytest.fixture
def web() -> Iterator[WebServer]:
    server = WebServer()
    yield server
    server.close()


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.close()


def open_office(stack, name: str = "office1", **environ: str):
    return stack.start(name, sys.executable, "manage.py", "post_office", environ=environ)


def add_channel(stack, slug: str, kind: str, params: dict, fallback: str = "") -> None:
    given = json.dumps(json.dumps(params))
    stack.shell(
        f"import json; from tests.stackpost import add_channel; "
        f"add_channel({slug!r}, {kind!r}, json.loads({given}), {fallback!r})"
    )


def webhook(stack, slug: str, port: int, **options) -> None:
    fallback = options.pop("fallback", "")
    add_channel(stack, slug, "webhook", {"url": f"http://127.0.0.1:{port}/{slug}", **options}, fallback)


def email(stack, slug: str, port: int) -> None:
    params = {"host": "127.0.0.1", "port": port, "encryption": "none", "recipients": ["ops@example.com"]}
    add_channel(stack, slug, "email", params)


def notify(stack, slug: str, count: int = 1) -> list[str]:
    return list(json.loads(stack.shell(f"from tests.stackpost import notify; notify({slug!r}, {count})")))


def statuses(stack) -> Counter[str]:
    return Counter(row[0] for row in stack.rows("SELECT status FROM alerts_notification"))


def delivered(web) -> list[str]:
    return [asked.headers["x-portal-delivery"] for asked in web.asked]


def died(process) -> bool:
    return bool(process.poll() == -signal.SIGKILL)


@pytest.mark.parametrize("point", ["dispatch.after_send", "dispatch.before_mark"])
def test_a_sender_killed_between_send_and_mark_sends_the_same_id_again(stack, web, point):
    webhook(stack, "hook", web.port)
    [sent] = notify(stack, "hook")
    first = open_office(stack, PORTAL_FAILPOINTS=f"{point}=kill")
    wait_for(lambda: died(first), "the sender's death")
    assert delivered(web) == [sent]
    assert statuses(stack) == {"sending": 1}
    open_office(stack, "office2")
    wait_for(lambda: statuses(stack) == {"sent": 1}, "the second try")
    assert delivered(web) == [sent, sent]
    tries = stack.rows("SELECT number, is_ok FROM alerts_deliveryattempt ORDER BY number")
    assert [(number, bool(ok) if ok is not None else None) for number, ok in tries] == [(1, None), (2, True)]


@faults
def test_mail_of_a_killed_sender_comes_again_with_the_same_message_id(stack, mail):
    email(stack, "mail", mail.port)
    [sent] = notify(stack, "mail")
    first = open_office(stack, PORTAL_FAILPOINTS="dispatch.after_send=kill")
    wait_for(lambda: died(first), "the sender's death")
    open_office(stack, "office2")
    wait_for(lambda: statuses(stack) == {"sent": 1}, "the second try")
    assert len(mail.mails) == 2
    assert {str(one["Message-ID"]).split("@")[0] for one in mail.mails} == {f"<{sent}"}


@faults
def test_a_dead_webhook_falls_over_to_mail_within_a_minute(stack, mail):
    email(stack, "mail", mail.port)
    webhook(stack, "dead", free_port(), fallback="mail")
    open_office(stack)
    wait_for(lambda: stack.value("SELECT count(*) FROM alerts_officeturn WHERE name = 'dispatch'"), "the office")
    began = time.monotonic()
    notify(stack, "dead", 3)
    wait_for(lambda: len(mail.mails) == 3, "the mails")
    assert time.monotonic() - began < 60
    wait_for(lambda: statuses(stack) == {"sent": 3, "dead": 3}, "their ends")
    assert {str(one["Subject"]) for one in mail.mails} == {"Message 0", "Message 1", "Message 2"}


@faults
def test_a_queue_behind_a_hanging_webhook_goes_over_too_and_others_are_unharmed(stack, web, mail):
    hanging = WebServer()
    hanging.answers = [Answer(hangs=True)]
    email(stack, "mail", mail.port)
    webhook(stack, "hanging", hanging.port, fallback="mail", timeout="5s")
    webhook(stack, "fine", web.port)
    open_office(stack)
    notify(stack, "hanging", 40)
    fine = notify(stack, "fine", 40)
    wait_for(lambda: len(web.asked) == 40, "the other channel")
    assert sorted(delivered(web)) == sorted(fine)
    wait_for(lambda: len(mail.mails) == 40, "the mails", seconds=120)
    hanging.close()


@faults
def test_two_offices_send_nothing_twice(stack, web):
    for number in range(4):
        webhook(stack, f"hook{number}", web.port)
    sent = [one for number in range(4) for one in notify(stack, f"hook{number}", 150)]
    for number in (1, 2):
        open_office(stack, f"office{number}")
    wait_for(lambda: statuses(stack) == {"sent": 600}, "all of them", seconds=120)
    assert sorted(delivered(web)) == sorted(sent)
    senders = stack.rows("SELECT DISTINCT sender FROM alerts_deliveryattempt")
    assert len(senders) == 2


@faults
def test_a_worker_with_all_slots_taken_sends(stack, witness, web):
    stack.add_jobs(witness.job("long", 20, overlap="allow", overlap_limit=8))
    stack.start_worker(slots=1)
    stack.request("long", 2)
    wait_for(witness.starts, "the script")
    webhook(stack, "hook", web.port)
    sent = notify(stack, "hook", 5)
    wait_for(lambda: len(web.asked) == 5, "the messages")
    assert sorted(delivered(web)) == sorted(sent)
    assert stack.count("queued") == 1


@faults
def test_beat_alone_sends(stack, web):
    webhook(stack, "hook", web.port)
    stack.start_beat()
    notify(stack, "hook")
    wait_for(lambda: statuses(stack) == {"sent": 1}, "the message")


@faults
@servers
def test_messages_survive_a_restart_of_the_database(stack, web):
    webhook(stack, "hook", web.port)
    open_office(stack)
    sent = notify(stack, "hook", 300)
    wait_for(lambda: len(web.asked) >= 20, "the first of them")
    stack.place.database.kill()
    stack.place.database.revive()
    wait_for(lambda: statuses(stack) == {"sent": 300}, "all of them", seconds=180)
    assert set(delivered(web)) == set(sent)


@faults
def test_a_closing_office_gives_back_what_is_not_begun(stack, web):
    hanging = WebServer()
    hanging.answers = [Answer(hangs=True)]
    webhook(stack, "hanging", hanging.port, timeout="2s")
    notify(stack, "hanging", 30)
    office = open_office(stack)
    wait_for(lambda: hanging.asked, "the first try")
    office.send_signal(signal.SIGTERM)
    assert office.wait(timeout=30) == 0
    assert statuses(stack) == {"pending": 30}
    hanging.close()
