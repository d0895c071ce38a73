"""`manage.py incidents`: list, acknowledge, resolve."""

import io
import json

import pytest
from django.core.management import CommandError, call_command

from alerts.models import Incident
from alerts.states import IncidentStatus, Severity
from tests.alerts.admin import incidentrows as rows
from tests.jobs import rows as jobs

pytestmark = pytest.mark.django_db
ACK, OPEN, RESOLVED = IncidentStatus.ACKNOWLEDGED, IncidentStatus.OPEN, IncidentStatus.RESOLVED


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("incidents", *args, stdout=out)
    return out.getvalue()


def found(*args: str) -> list[dict]:
    return list(json.loads(run(*args, "--json"))["incidents"])


def statuses() -> list[str]:
    return list(Incident.objects.order_by("pk").values_list("status", flat=True))


def test_list_has_what_is_not_over_the_most_urgent_first() -> None:
    rows.incident("calm")
    made = rows.incident("urgent", severity=Severity.CRITICAL)
    rows.incident("over", status=RESOLVED)
    rows.message(rows.channel(), made)
    listed = found("list")
    assert [one["cause"] for one in listed] == ["urgent", "calm"]
    assert (listed[0]["title"], listed[0]["tenant"], listed[0]["messages"]) == ("urgent fires", "acme", {"sent": 1})
    assert [one["cause"] for one in found("list", "--all", "--limit", "2")] == ["over", "urgent"]
    assert f"#{made.pk}  acme  open  critical" in run("list")


def test_list_is_of_one_tenant_when_asked() -> None:
    rows.incident("mine")
    rows.incident("theirs", of=jobs.tenant("other"))
    assert [one["cause"] for one in found("list", "--tenant", "other")] == ["theirs"]
    with pytest.raises(CommandError, match="no tenant “x”"):
        run("list", "--tenant", "x")


def test_nothing_open_is_said() -> None:
    assert run("list") == "No incident is open.\n"
    assert found("list") == []


def test_acknowledged_from_the_shell_with_words() -> None:
    made = rows.incident()
    assert found("acknowledge", str(made.pk), "--comment", "I go there")[0]["acknowledged_by"] == "shell"
    event = made.events.get()
    assert (event.what, event.text, event.actor_name) == ("acknowledged", "I go there", "shell")


def test_resolved_as_somebody_who_may() -> None:
    made = rows.incident()
    jobs.user("ed", "editor")
    run("resolve", str(made.pk), "--as", "ed")
    made.refresh_from_db()
    assert (made.status, made.events.get().actor_name) == (RESOLVED, "ed")


def test_as_somebody_who_may_not_nothing_is_done() -> None:
    first, second = rows.incident("a"), rows.incident("b", of=jobs.tenant("other"))
    jobs.user("op", "operator")
    with pytest.raises(CommandError, match="“op” may not"):
        run("resolve", str(first.pk), "--as", "op")
    with pytest.raises(CommandError, match="“op” may not"):
        run("acknowledge", str(first.pk), str(second.pk), "--as", "op")
    with pytest.raises(CommandError, match="no user “ghost”"):
        run("acknowledge", str(first.pk), "--as", "ghost")
    assert statuses() == [OPEN, OPEN]


def test_all_or_none_are_done() -> None:
    alive, over = rows.incident("a"), rows.incident("b", status=RESOLVED)
    with pytest.raises(CommandError, match=f"#{over.pk}: The incident is resolved"):
        run("acknowledge", str(alive.pk), str(over.pk))
    with pytest.raises(CommandError, match="There is no incident #99999"):
        run("acknowledge", str(alive.pk), "99999")
    with pytest.raises(CommandError, match="There is no incident"):
        run("acknowledge", str(alive.pk), "--tenant", jobs.tenant("other").slug)
    assert statuses() == [OPEN, RESOLVED]


def test_what_is_missing_or_too_much_is_said() -> None:
    with pytest.raises(CommandError, match="Name the incidents by their numbers"):
        run("resolve")
    with pytest.raises(CommandError, match="takes no numbers"):
        run("list", "3")
