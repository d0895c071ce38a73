"""Whether a channel works: proven by the last delivery, failing since the first failure after it.

A tenant's admins are told once when it fails (a second time in a row, or for good), and once when it works again.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import uuid5

from django.db.models import F
from django.db.models.functions import Coalesce

from alerts import inbox, wording
from alerts.models import Channel
from alerts.parcels import stored_sentence
from alerts.retries import FAILURES_TO_FALL_BACK
from alerts.states import Severity
from alerts.transports import DeliveryError
from portal.lib.said import said as _

PROOF_AGE = timedelta(seconds=10)  # a busy channel's proof is not written with each message


def delivered(channels: set[int], *, now: datetime) -> None:
    """These took a message."""
    for row in Channel.objects.filter(pk__in=channels).order_by("pk"):
        if row.failing_since is None:
            if row.proven_at is None or now - row.proven_at > PROOF_AGE:
                Channel.objects.filter(pk=row.pk, failing_since=None).update(proven_at=now)
            continue
        still = Channel.objects.filter(pk=row.pk, failing_since=row.failing_since)
        if still.update(proven_at=now, failing_since=None, failure_count=0, problem={}) and _was_told(row):
            _tell_recovery(row, now=now)


def failed(failures: Mapping[int, DeliveryError], *, now: datetime) -> None:
    """These did not; `failures` holds the last error of each."""
    for pk, error in sorted(failures.items()):
        problem = {"sentence": stored_sentence(error.sentence), "at": now.isoformat()}
        Channel.objects.filter(pk=pk).update(
            failing_since=Coalesce("failing_since", now),
            failure_count=F("failure_count") + 1,
            problem={**problem, "is_permanent": error.is_permanent},
        )
        row = Channel.objects.get(pk=pk)
        if _was_told(row):
            _tell_failure(row, now=now)


def _was_told(channel: Channel) -> bool:
    """Whether its failures are of a kind that is told. The message's id makes sure of "once"."""
    return channel.failure_count >= FAILURES_TO_FALL_BACK or bool(channel.problem.get("is_permanent"))


def _tell_failure(channel: Channel, *, now: datetime) -> None:
    since = channel.failing_since or now
    words = _("The channel “%(name)s” does not deliver any more. %(problem)s")
    letter = inbox.Letter(
        subject=_("The channel “%(name)s” fails") % {"name": channel.name},
        body=words % {"name": channel.name, "problem": wording.render(channel.problem.get("sentence"))},
        severity=Severity.CRITICAL,
        link=inbox.link_to(channel),
        delivery_id=uuid5(channel.key, f"failing:{since.isoformat()}"),
    )
    inbox.tell_admins(channel.tenant_id, letter, now=now)


def _tell_recovery(channel: Channel, *, now: datetime) -> None:
    since = channel.failing_since or now
    letter = inbox.Letter(
        subject=_("The channel “%(name)s” delivers again") % {"name": channel.name},
        severity=Severity.INFO,
        link=inbox.link_to(channel),
        delivery_id=uuid5(channel.key, f"recovered:{since.isoformat()}"),
    )
    inbox.tell_admins(channel.tenant_id, letter, now=now)
