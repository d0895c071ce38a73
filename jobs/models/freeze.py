"""Change freezes: for a while nothing starts by itself."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Tenant
from jobs.models.job import Job
from jobs.policies import AfterFreeze


class FreezeState(models.TextChoices):
    """Where a freeze is in its life; worked out, never stored."""

    PLANNED = "planned", _("Planned")
    ACTIVE = "active", _("In force")
    ENDED = "ended", _("Ended")


class Freeze(models.Model):
    """A change freeze of a tenant, or of every tenant (`tenant` NULL, platform admins only).

    It is in force from `starts_at` until `ends_at` or, when somebody ended it early, `ended_at`; with neither it is
    open-ended. It never switches anything off, so that there is nothing to restore. `released_at` is set when what
    it owes after its end (`after`) was done.
    """

    tenant = models.ForeignKey(
        Tenant, models.PROTECT, null=True, blank=True, related_name="+", verbose_name=_("tenant")
    )
    name = models.CharField(_("name"), max_length=100)
    reason = models.CharField(_("reason"), max_length=300)
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    after = models.CharField(_("when it is over"), max_length=10, choices=AfterFreeze.choices, default=AfterFreeze.SKIP)
    exempt_jobs = models.ManyToManyField(Job, blank=True, related_name="+", verbose_name=_("exempt jobs"))
    ended_at = models.DateTimeField(_("ended early at"), null=True, blank=True, editable=False)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("ended by"),
    )
    released_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        verbose_name=_("created by"),
    )

    class Meta:
        verbose_name = _("change freeze")
        verbose_name_plural = _("change freezes")
        ordering = ["-starts_at", "-id"]
        permissions = [("override_freeze", _("Can run a job despite a freeze"))]

    def __str__(self) -> str:
        return self.name

    @property
    def over_at(self) -> datetime | None:
        """From when on it is not in force any more; None: open end."""
        ends = [each for each in (self.ends_at, self.ended_at) if each is not None]
        return min(ends) if ends else None

    def state(self, now: datetime) -> str:
        over = self.over_at
        if over is not None and (over <= now or over <= self.starts_at):
            return FreezeState.ENDED
        return FreezeState.PLANNED if now < self.starts_at else FreezeState.ACTIVE
