"""Which days are worked, and in which windows nothing fires."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantOwned
from datasources.models import DataSource
from jobs.models.job import Job


class DayKind(models.TextChoices):
    """What a calendar says of a day that is not as its weekday."""

    HOLIDAY = "holiday", _("Holiday")
    WORKDAY = "workday", _("Make-up working day")


class Calendar(TenantOwned):
    """The working days of a place. `workdays` holds ISO weekdays as digits ("12345"), `days` what differs from them.

    An empty `timezone` is each schedule's own.
    """

    slug = models.SlugField(_("slug"), max_length=80)
    name = models.CharField(_("name"), max_length=150)
    description = models.TextField(_("description"), blank=True, default="")
    timezone = models.CharField(_("time zone"), max_length=64, blank=True, default="")
    workdays = models.CharField(_("working weekdays"), max_length=7, blank=True, default="12345")

    class Meta:
        verbose_name = _("calendar")
        verbose_name_plural = _("calendars")
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["tenant", "slug"], name="calendar_slug_per_tenant")]

    def __str__(self) -> str:
        return self.name


class CalendarDay(models.Model):
    """A date that is not as its weekday: a holiday, or a make-up day that is worked."""

    calendar = models.ForeignKey(Calendar, models.CASCADE, related_name="days", verbose_name=_("calendar"))
    date = models.DateField(_("date"))
    kind = models.CharField(_("kind"), max_length=10, choices=DayKind.choices, default=DayKind.HOLIDAY)
    name = models.CharField(_("name"), max_length=100, blank=True, default="")

    class Meta:
        verbose_name = _("calendar day")
        verbose_name_plural = _("calendar days")
        ordering = ["date"]
        constraints = [models.UniqueConstraint(fields=["calendar", "date"], name="calendar_date_once")]

    def __str__(self) -> str:
        return f"{self.date} {self.name}"


class Blackout(TenantOwned):
    """A window in which nothing fires that follows the calendar, uses the datasource, or is the job named here.

    Either once (`starts_at` to `ends_at`), or weekly: on `weekdays` (ISO digits) from `start_time` to `end_time` of
    the wall clock of `timezone`; an end that is not after the start is on the next day.
    """

    name = models.CharField(_("name"), max_length=100)
    calendar = models.ForeignKey(
        Calendar, models.CASCADE, null=True, blank=True, related_name="blackouts", verbose_name=_("calendar")
    )
    datasource = models.ForeignKey(
        DataSource, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("datasource")
    )
    job = models.ForeignKey(Job, models.CASCADE, null=True, blank=True, related_name="blackouts", verbose_name=_("job"))
    starts_at = models.DateTimeField(_("from"), null=True, blank=True)
    ends_at = models.DateTimeField(_("until"), null=True, blank=True)
    weekdays = models.CharField(_("weekdays"), max_length=7, blank=True, default="")
    start_time = models.TimeField(_("from (time of day)"), null=True, blank=True)
    end_time = models.TimeField(_("until (time of day)"), null=True, blank=True)
    timezone = models.CharField(_("time zone"), max_length=64, blank=True, default="")

    class Meta:
        verbose_name = _("blackout window")
        verbose_name_plural = _("blackout windows")
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(calendar__isnull=False) | Q(datasource__isnull=False) | Q(job__isnull=False),
                name="blackout_concerns_something",
            ),
            models.CheckConstraint(
                condition=Q(starts_at__isnull=False, ends_at__isnull=False)
                | Q(start_time__isnull=False, end_time__isnull=False),
                name="blackout_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_weekly(self) -> bool:
        return self.starts_at is None
