"""What is wrong now, what was done about it, and by whom."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantOwned
from alerts.models.escalation import EscalationPolicy
from alerts.models.rule import AlertStatus
from alerts.states import AlertState, IncidentStatus, Severity


class Incident(TenantOwned):
    """Alerts with one cause. `open_key` holds the cause while it is not resolved: the unique index lets one be open.

    `evidence` is {"columns": […], "rows": [[…]], "total": n, "sentence": {…}}; `title` a sentence of `alerts.wording`.
    `next_step_at` is when the next step of the escalation policy is due; an acknowledgement stops it.
    """

    open_key = models.CharField(max_length=191, unique=True, null=True, blank=True, editable=False)
    cause = models.CharField(_("cause"), max_length=180)
    kind = models.CharField(_("what it is"), max_length=10, choices=AlertState.choices)
    title = models.JSONField(_("title"), default=dict)
    severity = models.CharField(_("severity"), max_length=10, choices=Severity.choices)
    status = models.CharField(_("status"), max_length=15, choices=IncidentStatus.choices, default=IncidentStatus.OPEN)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("owner")
    )
    opened_at = models.DateTimeField(_("opened at"))
    acknowledged_at = models.DateTimeField(_("acknowledged at"), null=True, blank=True)
    acknowledged_by = models.CharField(_("acknowledged by"), max_length=150, blank=True, default="")
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)
    snoozed_until = models.DateTimeField(_("snoozed until"), null=True, blank=True)
    count = models.PositiveIntegerField(_("bad results"), default=1)
    last_at = models.DateTimeField(_("last bad result"))
    evidence = models.JSONField(_("evidence"), default=dict, blank=True)
    is_flapping = models.BooleanField(_("flapping"), default=False)
    escalation = models.ForeignKey(
        EscalationPolicy, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("escalation policy")
    )
    step_number = models.PositiveSmallIntegerField(_("escalation step"), default=0)
    next_step_at = models.DateTimeField(_("next escalation"), null=True, blank=True, db_index=True)

    class Meta:
        verbose_name = _("incident")
        verbose_name_plural = _("incidents")
        ordering = ["-opened_at", "-id"]
        indexes = [
            models.Index(fields=["tenant", "status", "-opened_at"], name="incident_board"),
            models.Index(fields=["status", "snoozed_until"], name="incident_snoozed"),
            models.Index(fields=["resolved_at", "tenant"], name="incident_resolved"),  # NULL: what is not over
        ]

    def __str__(self) -> str:
        return f"#{self.pk}"


class IncidentMember(models.Model):
    """An alert that is part of an incident, from `joined_at` until `left_at`."""

    incident = models.ForeignKey(Incident, models.CASCADE, related_name="members", verbose_name=_("incident"))
    status = models.ForeignKey(AlertStatus, models.CASCADE, related_name="memberships", verbose_name=_("alert state"))
    joined_at = models.DateTimeField(_("joined at"))
    left_at = models.DateTimeField(_("left at"), null=True, blank=True)

    class Meta:
        verbose_name = _("alert of an incident")
        verbose_name_plural = _("alerts of an incident")
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["incident", "status"], name="incident_member_once")]

    def __str__(self) -> str:
        return f"{self.incident_id}/{self.status_id}"


class IncidentEvent(models.Model):
    """One line of the timeline. `what` is an `alerts.states.Happened`; `said` a sentence, `text` a person's words."""

    incident = models.ForeignKey(Incident, models.CASCADE, related_name="events", verbose_name=_("incident"))
    at = models.DateTimeField(_("at"))
    what = models.CharField(_("what"), max_length=20)
    said = models.JSONField(default=dict, blank=True)
    text = models.TextField(_("comment"), blank=True, default="")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("by")
    )
    actor_name = models.CharField(_("by"), max_length=150, blank=True, default="")

    class Meta:
        verbose_name = _("incident event")
        verbose_name_plural = _("incident events")
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.incident_id}: {self.what}"
