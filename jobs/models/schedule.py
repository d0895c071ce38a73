"""When a job fires."""

from datetime import timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantOwned
from jobs.models.calendar import Calendar
from jobs.models.job import Job
from jobs.policies import CalendarPolicy, MisfirePolicy


class TriggerKind(models.TextChoices):
    CRON = "cron", _("Cron")
    INTERVAL = "interval", _("Interval")
    ONCE = "once", _("Once")
    WORKDAY = "workday", _("Working days of the month")


class Schedule(TenantOwned):
    """A trigger of a job. `cursor_at` is the last nominal instant decided; `next_fire_at` the next one (UTC).

    `next_fire_at` is NULL when nothing is to fire: schedule or job disabled, or the trigger has ended.
    """

    permission_parent = "job"

    job = models.ForeignKey(Job, models.CASCADE, related_name="schedules", verbose_name=_("job"))
    kind = models.CharField(_("trigger"), max_length=20, choices=TriggerKind.choices, default=TriggerKind.CRON)
    expression = models.CharField(_("expression"), max_length=200)
    timezone = models.CharField(_("time zone"), max_length=64, blank=True, default="")
    misfire = models.CharField(
        _("when missed"), max_length=20, choices=MisfirePolicy.choices, default=MisfirePolicy.RUN_ONCE
    )
    grace = models.DurationField(_("grace period"), default=timedelta(seconds=300))
    jitter = models.DurationField(_("spread"), default=timedelta(0))  # a run starts up to so long after its fire time
    calendar = models.ForeignKey(
        Calendar, models.PROTECT, null=True, blank=True, related_name="schedules", verbose_name=_("calendar")
    )
    calendar_policy = models.CharField(
        _("on days off"), max_length=12, choices=CalendarPolicy.choices, default=CalendarPolicy.SKIP
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    anchor_at = models.DateTimeField(_("anchor"), editable=False)  # intervals count from here
    cursor_at = models.DateTimeField(editable=False)
    # Since when the ledger is complete for this very rule: each of its fire times in (counted_from_at, cursor_at] has a
    # row. Moved by an edit of the trigger and by enabling; NULL in rows older than the column.
    counted_from_at = models.DateTimeField(null=True, blank=True, editable=False)
    next_fire_at = models.DateTimeField(_("next fire time"), null=True, blank=True, editable=False, db_index=True)

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.expression}"
