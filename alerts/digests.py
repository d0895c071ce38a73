"""What was held back goes out when its time has come; what has the same digest key goes out as one message."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext, ngettext, override

from alerts import letters
from alerts.models import Notification
from alerts.states import NotificationStatus, Severity
from alerts.templatevars import moment_text
from jobs.deadlocks import repeated_after_deadlock
from portal.lib.said import said
from portal.lib.text import one_line

MOST_ROWS = 500
MOST_LISTED = 100
LONGEST_SUBJECT = 200
LONGEST_PART = 1500
LONGEST_BODY = 60_000
N = NotificationStatus


def release(channels: Iterable[int], *, now: datetime) -> int:
    """How many held messages of these channels became due, or part of one that did."""
    return sum(_release_of(channel, now) for channel in channels)


@repeated_after_deadlock
def _release_of(channel: int, now: datetime) -> int:
    """Locked, so that two offices do not make two digests of the same messages."""
    due = Notification.objects.filter(channel=channel, status=N.HELD, not_before__lte=now)
    with transaction.atomic():
        rows = list(due.select_for_update().order_by("not_before", "id")[:MOST_ROWS])
        single = [row.pk for row in rows if not row.digest_key]
        Notification.objects.filter(pk__in=single).update(status=N.PENDING)
        groups: dict[tuple[str, str, str], list[Notification]] = {}
        for row in rows:
            if row.digest_key:
                groups.setdefault((row.digest_key, str(row.recipients), row.language), []).append(row)
        for group in groups.values():
            _combine(group)
    return len(rows)


def _combine(rows: Sequence[Notification]) -> None:
    """The first one says what all say; the others are settled with a reference to it."""
    first, *others = sorted(rows, key=lambda row: (row.happened_at, row.pk))
    changes: dict[str, object] = {"status": N.PENDING, "why": {}}
    if others:
        subject, body = digest_of([first, *others])
        worst = max(rows, key=lambda row: Severity(row.severity).rank).severity
        facts = {**_shared([first, *others]), "events": [_fact(row) for row in [first, *others][:MOST_LISTED]]}
        changes |= {"subject": subject, "body": body, "severity": worst, "facts": facts}
    Notification.objects.filter(pk=first.pk, status=N.HELD).update(**changes)
    why = said("It is part of the digest in message #%(number)s.") % {"number": first.pk}
    Notification.objects.filter(pk__in=[row.pk for row in others], status=N.HELD).update(
        status=N.SUPPRESSED,
        why=why.source,  # type: ignore[attr-defined]
    )


def _shared(rows: Sequence[Notification]) -> dict[str, object]:
    """What is true of all of them. Of several incidents none is acknowledged by the button, and the board shows all."""
    first, *others = [row.facts for row in rows]
    absent = object()
    same = {name: value for name, value in first.items() if all(one.get(name, absent) == value for one in others)}
    if same.get("incident") is not None:
        return {**same, "acknowledge_url": first.get("acknowledge_url", "")}  # each has its own, all of this incident
    return {**same, "url": letters.address("/admin/alerts/incident/")}


def _fact(row: Notification) -> dict[str, object]:
    facts = {name: value for name, value in row.facts.items() if name != "events"}
    return {"at": row.happened_at.isoformat(), "subject": row.subject, "trigger": row.trigger, "facts": facts}


def digest_of(rows: Sequence[Notification]) -> tuple[str, str]:
    """Subject and text of one message for all of these, in the language of the first."""
    with override(rows[0].language):
        counted = ngettext("%(count)d message", "%(count)d messages", len(rows)) % {"count": len(rows)}
        subject = one_line(f"{counted}: {rows[0].subject}", LONGEST_SUBJECT)
        parts = [_part(row) for row in rows[:MOST_LISTED]]
        body, listed = "", 0
        for part in parts:
            if len(body) + len(part) > LONGEST_BODY:
                break
            body, listed = f"{body}\n\n{part}" if body else part, listed + 1
        left = len(rows) - listed
        if left:
            body += "\n\n" + gettext("… and %(count)d more: see the list of notifications.") % {"count": left}
    return subject, body


def _part(row: Notification) -> str:
    head = f"{moment_text(timezone.localtime(row.happened_at))}  {row.subject}"
    text = row.body if len(row.body) <= LONGEST_PART else row.body[: LONGEST_PART - 1] + "…"
    return f"{head}\n{text}" if text.strip() else head
