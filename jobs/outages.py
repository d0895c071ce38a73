"""Outages in words, and who is told what: platform admins every detail, a tenant's people what it means to them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q, QuerySet, TextChoices
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs.models import Outage

QUEUE_PREFIX = "queue:"
DISK_PREFIX = "disk:"


class Subject(TextChoices):
    """What may fall silent; besides, "queue:<name>" and "disk:<machine>", which is full."""

    PORTAL = "portal", gettext_lazy("The whole portal")
    BEAT = "beat", gettext_lazy("Scheduler")
    WORKERS = "workers", gettext_lazy("Workers")
    BROKER = "broker", gettext_lazy("Broker")
    DATABASE = "database", gettext_lazy("Database")


# What stops schedules from firing; without a worker or a broker they fire, and the runs wait.
STOPS_FIRING = (Subject.BEAT, Subject.PORTAL, Subject.DATABASE)

_OPEN = {
    Subject.BEAT: gettext_lazy("Schedules have not fired since %(since)s: the scheduler is silent."),
    Subject.PORTAL: gettext_lazy("Nothing has run since %(since)s: the whole portal is silent."),
    Subject.WORKERS: gettext_lazy("Runs have waited since %(since)s: no worker is alive."),
    Subject.BROKER: gettext_lazy("Runs start late since %(since)s: the broker does not answer."),
    Subject.DATABASE: gettext_lazy("Nothing has been recorded since %(since)s: the database does not answer."),
}
_ENDED = {
    Subject.BEAT: gettext_lazy("Schedules did not fire from %(since)s to %(until)s: the scheduler was silent."),
    Subject.PORTAL: gettext_lazy("Nothing ran from %(since)s to %(until)s: the whole portal was silent."),
    Subject.WORKERS: gettext_lazy("Runs waited from %(since)s to %(until)s: no worker was alive."),
    Subject.BROKER: gettext_lazy("Runs started late from %(since)s to %(until)s: the broker did not answer."),
    Subject.DATABASE: gettext_lazy("Nothing was recorded from %(since)s to %(until)s: the database did not answer."),
}
_ADVICE = {
    Subject.BEAT: gettext_lazy("Start beat: celery -A portal beat. What was missed follows each schedule's rule."),
    Subject.PORTAL: gettext_lazy("Start beat and the workers, then look at the fire ledger for what was missed."),
    Subject.WORKERS: gettext_lazy("Start a worker: celery -A portal worker. The runs that wait are kept."),
    Subject.BROKER: gettext_lazy("Check CELERY_BROKER_URL and that the broker runs. The runs that wait are kept."),
    Subject.DATABASE: gettext_lazy("Check DATABASE_URL and that the server runs."),
}


def queue_of(subject: str) -> str:
    """The queue of a queue's outage; empty for another subject."""
    return subject.removeprefix(QUEUE_PREFIX) if subject.startswith(QUEUE_PREFIX) else ""


def machine_of(subject: str) -> str:
    """The machine whose disk it is; empty for another subject."""
    return subject.removeprefix(DISK_PREFIX) if subject.startswith(DISK_PREFIX) else ""


def label(subject: str) -> str:
    queue = queue_of(subject)
    if machine := machine_of(subject):
        return _("Disk of “%(machine)s”") % {"machine": machine}
    if queue:
        return _("Queue “%(queue)s”") % {"queue": queue}
    return str(Subject(subject).label) if subject in Subject.values else subject


def sentence(outage: Outage) -> str:
    """What it means, in the reader's language and zone."""
    times = {"since": moment(outage.began_at), "until": moment(outage.ended_at) if outage.ended_at else ""}
    queue, machine = queue_of(outage.subject), machine_of(outage.subject)
    if machine:
        return _sentence_of_disk(machine, times, is_over=outage.ended_at is not None)
    if queue and outage.ended_at:
        words = _("Runs of the queue “%(queue)s” waited from %(since)s to %(until)s: no worker served it.")
        return words % {**times, "queue": queue}
    if queue:
        words = _("Runs of the queue “%(queue)s” have waited since %(since)s: no worker serves it.")
        return words % {**times, "queue": queue}
    sentences = _ENDED if outage.ended_at else _OPEN
    found = sentences.get(outage.subject)  # type: ignore[call-overload]
    return str(found) % times if found else label(outage.subject)


def _sentence_of_disk(machine: str, times: dict[str, str], *, is_over: bool) -> str:
    words = _("The disk of “%(machine)s” is nearly full since %(since)s.")
    if is_over:
        words = _("The disk of “%(machine)s” was nearly full from %(since)s to %(until)s.")
    return words % {**times, "machine": machine}


def advice(outage: Outage) -> str:
    """What an operator of the platform does about it."""
    if machine_of(outage.subject):
        return _("Make room in its DATA_DIR, or shorten how long logs are kept; runs there fail when it is full.")
    queue = queue_of(outage.subject)
    if queue:
        return _("Start a worker with -Q %(queue)s.") % {"queue": queue}
    return str(_ADVICE.get(outage.subject, ""))  # type: ignore[call-overload]


def moment(at: datetime) -> str:
    """2026-11-21 03:10:05, in the reader's zone."""
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"


def span_text(since: datetime, until: datetime | None) -> str:
    """03:10–03:12, with the day where it is not one day."""
    first = timezone.localtime(since)
    if until is None:
        return _("since %(time)s") % {"time": f"{first:%m-%d %H:%M}"}
    last = timezone.localtime(until)
    end = f"{last:%H:%M}" if first.date() == last.date() else f"{last:%m-%d %H:%M}"
    return f"{first:%H:%M}–{end}" if first.date() == last.date() else f"{first:%m-%d %H:%M}–{end}"


def during(since: datetime, until: datetime, subjects: Iterable[str] = STOPS_FIRING) -> QuerySet[Outage]:
    """Outages that touch [since, until), oldest first."""
    ends = Q(ended_at=None) | Q(ended_at__gt=since)
    return Outage.objects.filter(ends, subject__in=list(subjects), began_at__lt=until).order_by("began_at", "pk")


def seen_by(outages: QuerySet[Outage], *, is_platform: bool, queues: Iterable[str]) -> QuerySet[Outage]:
    """Everybody sees the platform's outages; a queue's, who has a job on it. `queues` are the reader's."""
    if is_platform:
        return outages
    subjects = [*Subject.values, *(f"{QUEUE_PREFIX}{queue}" for queue in queues)]
    return outages.filter(subject__in=subjects)
