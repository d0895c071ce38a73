"""How a run ended, and why."""

from __future__ import annotations

from collections.abc import Iterator

from django.utils.translation import gettext as _

from jobs import advice, look, reasons
from jobs.models import Run
from jobs.states import ACTIVE, ReasonCode, RunStatus
from jobs.why.facts import RunFacts
from jobs.why.verdict import Check, Fix, Part, Place, failed, not_applicable, passed

HERE = Part.ENDED
R = ReasonCode

# Where each cause is put right; what is not here, in the job.
PLACES = {
    R.TENANT_DISABLED: Place.TENANT,
    R.CALENDAR: Place.CALENDARS,
    R.FROZEN: Place.FREEZES,
    R.MISFIRE: Place.RUN_NOW,
    R.JOB_DISABLED: Place.JOB,
    R.CANCELLED_BY_USER: Place.RUN_AGAIN,
    R.BACKFILL_CANCELLED: Place.BACKFILLS,
    R.WORKER_LOST: Place.WORKERS,
    R.NOT_IDEMPOTENT: Place.LOG,
    R.NO_TARGET: Place.WORKERS,
    R.MISSING_DRIVER: Place.WORKERS,
    R.DISK_FULL: Place.WORKERS,
    R.SHARDS_FAILED: Place.RUN,
    R.SCRIPT_FAILED: Place.LOG,
    R.BUSINESS: Place.LOG,
    R.SIGNAL: Place.LOG,
    R.OUT_OF_MEMORY: Place.LOG,
    R.TIMEOUT: Place.JOB,
    R.CONNECTION: Place.LOG,
    R.INTERNAL: Place.LOG,
}
OF_A_RUN = frozenset({Place.RUN_AGAIN, Place.LOG, Place.RUN})
OF_THE_PLATFORM = frozenset({Place.WORKERS, Place.QUEUES, Place.OUTAGES})


def ended_checks(facts: RunFacts, *, is_platform: bool) -> Iterator[Check]:
    run = facts.run
    if run.status in ACTIVE:
        yield not_applicable("ended", HERE, _("It has not ended."))
        return
    if run.status == RunStatus.SUCCEEDED:
        yield passed("ended", HERE, _("It succeeded."))
        return
    yield failed(
        "ended",
        HERE,
        cause_text(run),
        advice=advice.for_reason(run.reason_code),
        fix=fix_of(run, is_platform=is_platform),
    )


def cause_text(run: Run) -> str:
    """Status, cause and the sentence: "Lost. The worker died: The worker “w1” …"."""
    label = str(ReasonCode(run.reason_code).label) if run.reason_code in ReasonCode.values else run.reason_code
    words = reasons.of(run)
    values = {"status": look.look_of(run.status).label, "cause": label or words, "words": words}
    if not label and not words:
        return _("%(status)s.") % values
    if not label or not words or words == label:
        return _("%(status)s. %(cause)s") % values
    return _("%(status)s. %(cause)s: %(words)s") % values


def fix_of(run: Run, *, is_platform: bool) -> Fix | None:
    place = PLACES.get(ReasonCode(run.reason_code), Place.JOB) if run.reason_code in ReasonCode.values else Place.JOB
    if place in OF_THE_PLATFORM and not is_platform:
        place = Place.RUN_AGAIN
    if place in OF_A_RUN:
        return Fix(place=place, pk=run.pk)
    return Fix(place=place, pk=run.tenant_id if place == Place.TENANT else run.job_id)
