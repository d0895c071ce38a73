"""Commands in another terminal find the running portal."""

import json

from portal.lib import localenv

SECRETS = {"SECRET_KEY": "s", "FIELD_ENCRYPTION_KEYS": "f", "BROKER_PASSWORD": "p/w"}


def folder(tmp_path):
    (tmp_path / "secrets.json").write_text(json.dumps(SECRETS))
    (tmp_path / "runtime.json").write_text(json.dumps({"broker_port": 7001}))
    return tmp_path


def test_what_up_has_made_is_found(tmp_path):
    environ: dict[str, str] = {}
    localenv.load(folder(tmp_path), environ)
    assert environ == {
        "SECRET_KEY": "s",
        "FIELD_ENCRYPTION_KEYS": "f",
        "CELERY_BROKER_URL": "redis://:p%2Fw@127.0.0.1:7001/0",
        "PORTAL_EMBEDDED": "1",
    }


def test_the_server_that_keeps_mail_is_found(tmp_path):
    environ: dict[str, str] = {}
    place = folder(tmp_path)
    (place / "runtime.json").write_text(json.dumps({"mail_port": 7002}))
    localenv.load(place, environ)
    assert environ["EMAIL_URL"] == "smtp://127.0.0.1:7002"
    assert environ["PORTAL_MAIL_FOLDER"] == str(place / "mail")
    given = {"EMAIL_URL": "smtp://mail.example.com"}
    localenv.load(place, given)
    assert given["EMAIL_URL"] == "smtp://mail.example.com" and "PORTAL_MAIL_FOLDER" not in given


def test_the_environment_wins(tmp_path):
    environ = {"SECRET_KEY_FILE": "/x", "CELERY_BROKER_URL": "redis://other/0"}
    localenv.load(folder(tmp_path), environ)
    assert "SECRET_KEY" not in environ
    assert environ["CELERY_BROKER_URL"] == "redis://other/0"


def test_an_empty_or_damaged_folder_changes_nothing(tmp_path):
    environ: dict[str, str] = {}
    localenv.load(tmp_path, environ)
    (tmp_path / "secrets.json").write_text("{")
    localenv.load(tmp_path, environ)
    assert environ == {}
