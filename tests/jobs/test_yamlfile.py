"""A definitions file is applied whole or refused whole, each error with its line; export writes what apply reads."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.utils import timezone
from django.utils.translation import override
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accounts.models import Tenant
from datasources.models import DataSource, Secret
from jobs.catalog import follow_datasources
from jobs.models import Calendar, Job, Schedule
from jobs.yamlfile.applier import apply_bundles
from jobs.yamlfile.bundles import read_bundle
from jobs.yamlfile.reader import YamlError, read_yaml
from jobs.yamlfile.writer import dump, file_of
from tests.jobs import rows

FULL = """\
version: 1
tenant: acme
datasources:
  - slug: shop
    kind: sqlite
    params: {path: shop.sqlite3}
secrets:
  - {name: API_KEY, value: "${env:TEST_API_KEY}"}
jobs:
  - slug: daily
    name: Daily revenue
    kind: python
    params:
      script: |
        print("hello")
        print("again")
    timeout: 5m
    retry: {max: 3, backoff: exponential, base: 10s, cap: 10m}
    overlap: skip
    secrets: [API_KEY]
    run_params:
      - {name: day, type: date}
    schedules:
      - {cron: "0 9 * * *", timezone: Asia/Shanghai, misfire: run_once, grace: 5m, jitter: 90s}
      - {every: 15m}
      - {at: 2099-01-01T00:00:00+08:00}
  - slug: rows
    kind: sql
    params: {datasource: shop, sql: "select 1"}
  - slug: everywhere
    kind: shell
    params: {script: "echo $SHARD_INDEX"}
    requires: [gpu]
    needs: {memory: 512MB, cpu: 0.5}
    fan_out: {mode: shards, total: 8}
"""


@pytest.fixture
def acme(db, settings, monkeypatch):
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    monkeypatch.setenv("TEST_API_KEY", "hunter2hunter2")
    with override("en"):
        yield rows.tenant()


def published(slug: str) -> int:
    revision = Job.objects.get(slug=slug).revision
    assert revision is not None
    return revision.number


def run(*args, **options) -> str:
    out = io.StringIO()
    call_command("apply", *args, stdout=out, **options)
    return out.getvalue()


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "file.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def errors_of(tmp_path: Path, text: str) -> str:
    with pytest.raises(CommandError) as caught:
        run(write(tmp_path, text))
    return str(caught.value)


def test_file_creates_everything_in_it(acme, tmp_path):
    run(write(tmp_path, FULL))
    daily = Job.objects.get(slug="daily")
    assert published("daily") == 1
    assert [s.kind for s in daily.schedules.all()] == ["cron", "interval", "once"]
    assert [s.jitter.total_seconds() for s in daily.schedules.all()] == [90, 0, 0]
    assert DataSource.objects.get().slug == "shop"
    assert "hunter2" not in Secret.objects.get().value_encrypted


def test_second_time_changes_nothing(acme, tmp_path):
    path = write(tmp_path, FULL)
    run(path)
    before = list(Schedule.objects.values())
    assert run(path).endswith("No changes.\n")
    assert list(Schedule.objects.values()) == before


def test_change_shows_a_diff_and_makes_a_revision(acme, tmp_path):
    run(write(tmp_path, FULL))
    told = run(write(tmp_path, FULL.replace("timeout: 5m", "timeout: 7m")))
    assert "+timeout: 7m" in told
    assert "-timeout: 5m" in told
    assert published("daily") == 2


def test_dry_run_tells_and_changes_nothing(acme, tmp_path):
    told = run(write(tmp_path, FULL), "--dry-run")
    assert "Would create 5" in told
    assert not Job.objects.exists()


def test_export_reads_back_to_no_changes(acme, tmp_path):
    run(write(tmp_path, FULL))
    out = io.StringIO()
    call_command("export", "--tenant", "acme", stdout=out)
    assert "hunter2" not in out.getvalue()
    assert run(write(tmp_path, out.getvalue())).endswith("No changes.\n")


def test_shards_and_needs_go_in_and_out_as_they_were_written(acme, tmp_path):
    run(write(tmp_path, FULL))
    job = Job.objects.get(slug="everywhere")
    assert (job.fan_out, job.shard_total, job.needs_memory, job.needs_cpu) == ("shards", 8, 512, 0.5)
    text = file_of(acme)
    assert "memory: 512MB" in text
    assert "mode: shards" in text


def test_a_sql_job_needs_the_driver_of_its_datasource(acme, tmp_path):
    run(write(tmp_path, FULL))
    assert Job.objects.get(slug="rows").needs_driver == "sqlite"
    DataSource.objects.update(kind="mysql")
    assert follow_datasources(since=timezone.now() - timedelta(hours=1)) == 1
    assert Job.objects.get(slug="rows").needs_driver == "mysql"
    assert follow_datasources(since=timezone.now() - timedelta(hours=1)) == 0


def test_what_is_not_in_the_file_stays(acme, tmp_path):
    run(write(tmp_path, FULL))
    run(write(tmp_path, 'version: 1\ntenant: acme\njobs:\n  - {slug: x, kind: shell, params: {script: "true"}}\n'))
    assert Job.objects.count() == 4


def test_job_without_schedules_in_the_file_keeps_them(acme, tmp_path):
    run(write(tmp_path, FULL))
    text = 'version: 1\ntenant: acme\njobs:\n  - {slug: daily, kind: shell, params: {script: "true"}}\n'
    run(write(tmp_path, text))
    assert Job.objects.get(slug="daily").schedules.count() == 3


BAD = [
    ("timeout: 5m", "timeout: soon", ":17: jobs[0].timeout:"),
    ("timeout: 5m", "timeout: 5m\n    timeout: 6m", ":18: “timeout” stands here twice"),
    ('print("again")', "print(", ":14: jobs[0].params.script: The script has a syntax error on line 2"),
    ("overlap: skip", "overlap: [skip]", "jobs[0].overlap: Choose one of"),
    ("kind: python", "kind: cobol", ":12: jobs[0].kind:"),
    ("kind: sqlite", "kind: oracle", ":5: datasources[0].kind:"),
    ("path: shop.sqlite3", "path: 7", ":6: datasources[0].params.path:"),
    ('"0 9 * * *"', '"0 99 * * *"', ":24: jobs[0].schedules[0].cron:"),
    ('"0 9 * * *"', '"0 0 31 2 *"', ":24: jobs[0].schedules[0].cron:"),
    ("Asia/Shanghai", "Asia/Atlantis", ":24: jobs[0].schedules[0].timezone:"),
    ("{every: 15m}", '{every: 15m, cron: "* * * * *"}', ":25: jobs[0].schedules[1]: A schedule has exactly one"),
    ("{every: 15m}", "{}", "jobs[0].schedules[1]: A schedule has exactly one"),
    ("2099-01-01", "2001-01-01", ":26: jobs[0].schedules[2].at:"),
    ("slug: rows", "slug: daily", ":27: jobs[1].slug: “daily” stands in this file twice"),
    ("datasource: shop", "datasource: nowhere", ":29: jobs[1].params.datasource: There is no datasource"),
    ("secrets: [API_KEY]", "secrets: [OTHER]", ":20: jobs[0].secrets[0]: There is no secret"),
    ("${env:TEST_API_KEY}", "plain-text", "secrets[0].value: Don't write a secret into the file"),
    ("${env:TEST_API_KEY}", "${env:NOT_SET_ANYWHERE}", "NOT_SET_ANYWHERE is not set"),
    ("tenant: acme", "tenant: nobody", ":2: tenant: There is no tenant “nobody”"),
    ("version: 1", "version: 2", ":1: version:"),
    ("jobs:", "joobs:", "There is no setting named “joobs”"),
    ("slug: daily", "slug: bad slug", "jobs[0].slug: A slug has"),
]


@pytest.mark.parametrize(("old", "new", "expected"), BAD, ids=[new[:30] for _old, new, _expected in BAD])
def test_one_bad_entry_refuses_the_file_whole(acme, tmp_path, old, new, expected):
    assert old in FULL
    told = errors_of(tmp_path, FULL.replace(old, new, 1))
    assert expected in told
    assert "Nothing was changed" in told
    assert not Job.objects.exists()
    assert not DataSource.objects.exists()


def test_every_error_is_told_at_once(acme, tmp_path):
    text = FULL.replace("timeout: 5m", "timeout: soon").replace("datasource: shop", "datasource: 5")
    told = errors_of(tmp_path, text)
    assert "jobs[0].timeout" in told
    assert "jobs[1].params.datasource" in told
    assert "there are 2 errors" in told


def test_refusal_as_json_has_line_and_path(acme, tmp_path):
    out = io.StringIO()
    with pytest.raises(SystemExit) as stop:
        call_command("apply", write(tmp_path, FULL.replace("5m\n", "soon\n", 1)), "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert stop.value.code == 1
    assert told["applied"] is False
    assert (told["errors"][0]["line"], told["errors"][0]["path"]) == (17, "jobs[0].timeout")


def test_script_file_is_read_beside_the_file(acme, tmp_path):
    (tmp_path / "hello.py").write_text("print('from a file')\n")
    text = FULL.replace('script: |\n        print("hello")\n        print("again")', "script_file: hello.py")
    run(write(tmp_path, text))
    assert Job.objects.get(slug="daily").params["script"] == "print('from a file')\n"


@pytest.mark.parametrize("name", ["../secret.py", "/etc/hostname", "missing.py", "link.py", "."])
def test_script_file_stays_in_its_folder(acme, tmp_path, name):
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.py").write_text("x = 1")
    (inside / "link.py").symlink_to(tmp_path / "secret.py")
    text = FULL.replace('script: |\n        print("hello")\n        print("again")', f"script_file: {name}")
    assert ":14: jobs[0].params.script_file:" in errors_of(inside, text)


def test_unknown_tenant_can_be_created(acme, tmp_path):
    run(write(tmp_path, FULL.replace("tenant: acme", "tenant: fresh")), "--create-tenant")
    assert Tenant.objects.filter(slug="fresh").exists()


def test_acting_as_a_viewer_is_refused(acme, tmp_path):
    rows.user("vi", role="viewer")
    with pytest.raises(CommandError, match="You may not do this here"):
        run(write(tmp_path, FULL), "--as", "vi")


def test_stranger_does_not_learn_that_the_tenant_exists(acme, tmp_path):
    rows.user("stranger", of=rows.tenant("other"))
    with pytest.raises(CommandError, match="There is no tenant “acme”"):
        run(write(tmp_path, FULL), "--as", "stranger")


def test_missing_key_is_a_sentence_and_nothing_is_half_saved(acme, settings, tmp_path):
    settings.FIELD_ENCRYPTION_KEYS = []
    told = errors_of(tmp_path, FULL)
    assert "secrets[0].value: No encryption key is configured" in told
    assert not DataSource.objects.exists()


def test_missing_file_is_a_sentence(acme):
    with pytest.raises(CommandError, match="can't be read"):
        run("/no/such/file.yaml")


def test_standard_input_is_read(acme, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(FULL.encode())))
    assert "Created 5" in run("-")


BOMB = b"a0: &a0 [x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 12)
)


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"a: 1\na: 2\n", 2),
        (b"a: [\n", 2),
        (b"", 1),
        (b"\xff\xfe", 1),
        (b"a: !!python/object/apply:os.system [id]\n", 1),
        (b"a: &x [*x]\n", 1),
        (b"[" * 300_000, 1),
        (b"<<: {a: 1}\n", 1),
        (BOMB, 1),
        (b"a: \x01\n", 1),
        (b'a: 1\nb: "\\0"\n', 2),
    ],
)
def test_hostile_yaml_is_refused_with_a_line(raw, line):
    with override("en"), pytest.raises(YamlError) as caught:
        read_yaml(raw)
    assert caught.value.line >= line
    assert caught.value.sentence.endswith(".")


texts = st.text(st.characters(exclude_characters="\0\r", exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.tuples(texts, texts, texts),
    timeout=st.integers(1, 10**6),
    priority=st.integers(-100, 100),
    is_idempotent=st.booleans(),
)
def test_export_then_apply_is_a_law(acme, words, timeout, priority, is_idempotent):
    text, name, value = words
    script = f"echo hi\n: <<'PORTALEND'\n{text}\nPORTALEND\n"
    job = {
        "slug": "law",
        "name": name[:150],
        "kind": "shell",
        "params": {"script": script, "args": [value]},
        "environment": {"TEXT": value},
        "timeout": timeout,
        "priority": priority,
        "is_idempotent": is_idempotent,
    }
    first = read_bundle(dump({"version": 1, "tenant": "acme", "jobs": [job]}).encode(), name="a", folder=None)
    apply_bundles([first], actor=None)
    again = read_bundle(file_of(acme).encode(), name="b", folder=None)
    assert [change.action for change in apply_bundles([again], actor=None)] == ["unchanged"]


def test_shipped_example_applies_and_its_scripts_run(acme, tmp_path):
    rows.tenant("demo")
    examples = Path(__file__).parents[2] / "examples"
    assert "Created 2" in run(str(examples / "demo.yaml"))
    outputs = tmp_path / "outputs.txt"
    for argv in ([sys.executable, "example_task_script.py"], ["bash", "example_task_script.sh"]):
        subprocess.run(argv, cwd=examples, env={"PATH": os.defpath, "PORTAL_OUTPUT": str(outputs)}, check=True)
    assert outputs.read_text().startswith("rows=2500\nfiles=")


CALENDARS = """\
version: 1
tenant: acme
calendars:
  - slug: china
    name: China
    timezone: Asia/Shanghai
    weekdays: mon-fri
    days:
      - 2026-10-01..2026-10-03 holiday 国庆节
      - 2026-10-10 workday 补班
    blackouts:
      - {name: Backup, weekdays: "sat, sun", from: "22:00", until: "04:00"}
      - {name: Move, from: "2026-12-24T18:00", until: "2026-12-27T06:00"}
jobs:
  - slug: daily
    kind: shell
    params: {script: "true"}
    schedules:
      - {cron: "0 9 * * *", timezone: Asia/Shanghai, calendar: china, calendar_policy: run_after}
      - {workdays: "1 09:00", calendar: china}
"""


def test_calendars_are_applied_exported_and_read_back_to_no_changes(acme, tmp_path):
    run(write(tmp_path, CALENDARS))
    calendar = Calendar.objects.get()
    assert calendar.days.count() == 4
    assert sorted(calendar.blackouts.values_list("weekdays", flat=True)) == ["", "67"]
    assert [s.calendar for s in Schedule.objects.all()] == [calendar, calendar]
    out = io.StringIO()
    call_command("export", "--tenant", "acme", stdout=out)
    assert run(write(tmp_path, out.getvalue())).endswith("No changes.\n")
    assert run(write(tmp_path, CALENDARS)).endswith("No changes.\n")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("2026-10-10 workday", "2026-13-10 workday", "calendars[0].days: Line 2"),
        ("mon-fri", "mon-funday", "calendars[0].weekdays:"),
        ("calendar: china, calendar_policy", "calendar: mars, calendar_policy", "There is no calendar “mars”"),
        ('from: "22:00"', 'from: "25:00"', "calendars[0].blackouts[0]"),
        ("Asia/Shanghai\n    weekdays", "Asia/Atlantis\n    weekdays", "calendars[0].timezone:"),
        ('workdays: "1 09:00"', 'workdays: "40 09:00"', "schedules[1].workdays:"),
    ],
)
def test_a_calendar_that_is_wrong_is_refused_at_its_place(acme, tmp_path, old, new, expected):
    assert expected in errors_of(tmp_path, CALENDARS.replace(old, new, 1))
    assert not Calendar.objects.exists()
