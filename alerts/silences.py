"""Silences: for a while nobody is told of what fits. Saved, ended early, and what they would fit now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import TextChoices
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import audit
from accounts.models import Tenant, User
from accounts.permissions import visible_to
from alerts import books
from alerts.models import AlertRule, Silence
from alerts.routing import Selector, Target
from alerts.shelf import selector_of, target_of
from alerts.states import Source
from jobs.models import Job

MOST_NAMED = 20
SEEN = ("name", "slug", "category", "labels")  # of a job, by selectors


class SilenceState(TextChoices):
    """Where a silence is in its life; worked out, never stored."""

    PLANNED = "planned", _("Planned")
    ACTIVE = "active", _("In force")
    ENDED = "ended", _("Ended")


def over_at(silence: Silence) -> datetime:
    return min(silence.ends_at, silence.ended_at) if silence.ended_at else silence.ends_at


def state_of(silence: Silence, now: datetime) -> SilenceState:
    over = over_at(silence)
    if over <= now or over <= silence.starts_at:
        return SilenceState.ENDED
    return SilenceState.PLANNED if now < silence.starts_at else SilenceState.ACTIVE


def end_silence(silence: Silence, *, actor: User | None) -> bool:
    """End it now, or call it off before it begins. False: it was over already. Raises PermissionDenied."""
    books.require(actor, "change", silence)
    now = timezone.now()
    with transaction.atomic():
        fresh = Silence.objects.select_for_update().get(pk=silence.pk)
        if state_of(fresh, now) == SilenceState.ENDED:
            return False
        fresh.ended_at = now
        fresh.save(update_fields=["ended_at", "updated_at"])
        books.changed(fresh.tenant_id)
        audit.record("alerts.silence.ended", actor=actor, target=fresh)
    silence.refresh_from_db()
    return True


@dataclass(frozen=True, kw_only=True)
class Fit:
    """What a selector fits now, of what the user may see; the first names, and how many there are."""

    jobs: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    job_count: int = 0
    rule_count: int = 0


def fitting(selector: Selector, *, tenant: Tenant, user: User) -> Fit:
    """Jobs by themselves, and alert rules with the job they are about."""
    jobs = list(visible_to(user, Job.objects.filter(tenant=tenant, archived_at=None)).order_by("name").only(*SEEN))
    targets = {job.pk: target_of(job) for job in jobs}
    fitting_jobs = [job.name for job in jobs if selector.fits(targets[job.pk])]
    rules = visible_to(user, AlertRule.objects.filter(tenant=tenant)).order_by("name")
    fitting_rules = [rule.name for rule in rules if _fits_rule(selector, rule, targets)]
    return Fit(
        jobs=tuple(fitting_jobs[:MOST_NAMED]),
        rules=tuple(fitting_rules[:MOST_NAMED]),
        job_count=len(fitting_jobs),
        rule_count=len(fitting_rules),
    )


def _fits_rule(selector: Selector, rule: AlertRule, targets: dict[int, Target]) -> bool:
    """A rule about one job has the job's slug, category and labels too; one about several fits by any of them."""
    own = selector_of(rule.selector)
    if rule.job_id:
        about = [targets[rule.job_id]] if rule.job_id in targets else []
    elif rule.source == Source.PORTAL or own is None:
        about = []
    else:
        about = [one for one in targets.values() if own.fits(one)]
    return any(
        selector.fits(Target(job=one.job, category=one.category, rule=rule.slug, labels={**one.labels, **rule.labels}))
        for one in about or [Target()]
    )
