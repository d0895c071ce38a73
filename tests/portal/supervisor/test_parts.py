"""The parts of the supervisor that need no process: keys, ports, back-off, log lines, sentences."""

from __future__ import annotations

import errno
import json
import socket
import stat
from pathlib import Path

import pytest

from portal.supervisor import banner, broker, environment, keys, logfiles, ports, services
from portal.supervisor.child import backoff, describe_end
from portal.supervisor.errors import StartError, sentence
from portal.supervisor.runtime import Runtime


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    first = keys.load_or_make(tmp_path)
    assert keys.load_or_make(tmp_path) == first
    assert mode(tmp_path / "secrets.json") == 0o600
    assert set(first) == {"SECRET_KEY", "FIELD_ENCRYPTION_KEYS", "BROKER_PASSWORD"}


def test_a_missing_key_is_added_and_the_others_stay(tmp_path: Path) -> None:
    first = keys.load_or_make(tmp_path)
    (tmp_path / "secrets.json").write_text(json.dumps({"FIELD_ENCRYPTION_KEYS": first["FIELD_ENCRYPTION_KEYS"]}))
    second = keys.load_or_make(tmp_path)
    assert second["FIELD_ENCRYPTION_KEYS"] == first["FIELD_ENCRYPTION_KEYS"]
    assert second["SECRET_KEY"] != first["SECRET_KEY"]


def test_a_damaged_key_file_stops_the_start_and_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("{broken")
    with pytest.raises(StartError, match=r"secrets\.json is damaged"):
        keys.load_or_make(tmp_path)
    assert (tmp_path / "secrets.json").read_text() == "{broken"


def test_what_is_given_from_outside_is_used(tmp_path: Path) -> None:
    given = {"SECRET_KEY": "mine", "CELERY_BROKER_URL": "redis://elsewhere:6379/0", "PORT": "8123"}
    plan, port = environment.prepare(tmp_path, given, kept_broker_port=None)
    assert plan.environment["SECRET_KEY"] == "mine"
    assert plan.environment["CELERY_BROKER_URL"] == "redis://elsewhere:6379/0"
    assert (plan.broker_config, port, plan.address) == (None, None, "http://127.0.0.1:8123")
    assert services.broker_service(plan) is None


def test_without_a_mail_server_mail_is_kept_on_this_machine(tmp_path: Path) -> None:
    plan, _ = environment.prepare(tmp_path, {}, kept_broker_port=None)
    assert plan.environment["EMAIL_URL"] == f"smtp://127.0.0.1:{plan.mail_port}"
    assert plan.environment["PORTAL_MAIL_FOLDER"] == str(tmp_path / "mail")
    mail = next(one for one in services.portal_services(plan) if one.name == "mail")
    assert mail.argv[-2:] == (str(plan.mail_port), str(tmp_path / "mail"))
    assert {one.name for one in services.portal_services(plan)} < set(services.STOP_ORDER)


def test_a_mail_server_from_outside_is_used(tmp_path: Path) -> None:
    plan, _ = environment.prepare(tmp_path, {"EMAIL_URL": "smtp://mail.example.com"}, kept_broker_port=None)
    assert (plan.mail_port, "PORTAL_MAIL_FOLDER" in plan.environment) == (None, False)
    assert "mail" not in {one.name for one in services.portal_services(plan)}


def test_a_key_given_as_a_file_is_not_replaced(tmp_path: Path) -> None:
    plan, _ = environment.prepare(tmp_path, {"SECRET_KEY_FILE": "/run/secrets/key"}, kept_broker_port=None)
    assert "SECRET_KEY" not in plan.environment


def test_the_embedded_broker_has_a_password_that_is_in_no_argument(tmp_path: Path) -> None:
    plan, port = environment.prepare(tmp_path, {}, kept_broker_port=None)
    password = keys.load_or_make(tmp_path)["BROKER_PASSWORD"]
    service = services.broker_service(plan)
    assert service is not None and plan.broker_config is not None
    assert f"requirepass {password}" in plan.broker_config.read_text()
    assert mode(plan.broker_config) == 0o600
    arguments = [word for one in [service, *services.portal_services(plan)] for word in one.argv]
    secret_values = keys.load_or_make(tmp_path).values()
    assert not [word for word in arguments for secret in secret_values if secret in word]
    assert plan.environment["CELERY_BROKER_URL"] == broker.url(port=port or 0, password=password)


def test_the_brokers_port_is_kept_while_it_is_free() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not ports.is_free("127.0.0.1", port)
        assert broker.choose_port(port) != port
    assert broker.choose_port(port) == port


@pytest.mark.parametrize("text", ["eighty", "0", "70000", "-1"])
def test_a_port_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(StartError, match="PORT=8001 make run"):
        environment.web_port({"PORT": text})


def test_no_broker_anywhere_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(broker, "_packaged_server", lambda: None)
    with pytest.raises(StartError, match="No broker was found"):
        broker.find_server()


def test_restarts_wait_longer_each_time_up_to_half_a_minute() -> None:
    assert [backoff(count) for count in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


def test_the_end_of_a_process_is_described() -> None:
    assert describe_end(-9) == "was ended by SIGKILL"
    assert describe_end(3) == "ended with exit code 3"


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "is full"), (errno.EACCES, "can't be written"), (errno.ENOTDIR, "is not a folder")],
)
def test_an_error_of_the_system_is_a_sentence(number: int, words: str) -> None:
    assert words in sentence(OSError(number, "whatever", "/data"))


def test_problems_in_a_log_are_shown_and_a_traceback_only_by_its_last_line(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    follower = logfiles.Follower(log)
    log.write_text(
        "2026 [info     ] fine\n2026 [error    ] bad\n"
        "Traceback (most recent call last):\n  File x\n    y = 1\nValueError: worse\nrest"
    )
    assert follower.important_lines() == ["2026 [error    ] bad", "ValueError: worse"]
    assert follower.important_lines() == []


def test_a_log_that_was_rotated_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    follower = logfiles.Follower(log)
    log.write_text("2026 [error    ] the first, which is long\n")
    follower.important_lines()
    log.write_text("2026 [error    ] next\n")
    assert follower.important_lines() == ["2026 [error    ] next"]


def test_logs_of_earlier_starts_are_kept_for_a_while(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    for number in range(6):
        log.write_text(str(number))
        logfiles.rotate(log)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["web.log.1", "web.log.2", "web.log.3"]
    assert (tmp_path / "web.log.1").read_text() == "5"


def test_a_second_start_on_the_same_folder_says_who_runs_there(tmp_path: Path) -> None:
    first = Runtime(tmp_path)
    first.take()
    first.write(pid=4242, address="http://127.0.0.1:8000")
    with pytest.raises(StartError, match=r"already runs .*4242.*http://127\.0\.0\.1:8000"):
        Runtime(tmp_path).take()


def test_a_process_with_a_reused_id_is_left_alone(tmp_path: Path) -> None:
    import os

    runtime = Runtime(tmp_path)
    runtime.take()
    runtime.write(children={"web": {"pid": os.getpid(), "created": 1.0}})
    assert runtime.clear_leftovers() == []


def test_the_banner_shows_address_and_log_ins(tmp_path: Path) -> None:
    (tmp_path / "credentials.txt").write_text("alice s3cret operator demo\n")
    shown = banner.text(banner.Start(address="http://127.0.0.1:8000", seconds=3.21), data_dir=tmp_path)
    assert "http://127.0.0.1:8000/" in shown
    assert "alice" in shown and "s3cret" in shown
    assert "Ctrl-C" in shown
    assert "/admin/mail/" not in shown


def test_the_banner_names_the_mail_sink_where_mail_is_kept(tmp_path: Path) -> None:
    start = banner.Start(address="http://127.0.0.1:8000", seconds=3.21, keeps_mail=True)
    assert "http://127.0.0.1:8000/admin/mail/" in banner.text(start, data_dir=tmp_path)
