"""What is watched, what is known of it, and how it came to be known."""

from datetime import timedelta

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantOwned
from alerts.models.references import run_reference
from alerts.states import AlertState, Severity, Source
from jobs.models import Job


class AlertRule(TenantOwned):
    """One rule of one tenant. `source` says what it looks at:

    | source  | looks at | columns |
    |---------|----------|---------|
    | result  | the table that a run of the job gave | `condition` and its settings, `key_columns` |
    | outcome | how runs ended, and what was odd about them | `outcomes` ([`alerts.states.Trigger`]), `contract` |
    | portal  | beat, workers, broker, database, disk, queues | `subjects` |

    It concerns `job`, or every job that `selector` (`alerts.routing.Selector`) fits, each by itself. `policy` is an
    `alerts.policies.Policy`; `contract` is an `alerts.baseline.Contract` as JSON, for suspicious successes.
    """

    slug = models.SlugField(_("slug"), max_length=80)
    name = models.CharField(_("name"), max_length=150)
    description = models.TextField(
        _("description"), blank=True, default="", help_text=_("What it means and what to do: it goes with the message.")
    )
    source = models.CharField(_("looks at"), max_length=10, choices=Source.choices, default=Source.RESULT)
    job = models.ForeignKey(
        Job, models.CASCADE, null=True, blank=True, related_name="alert_rules", verbose_name=_("job")
    )
    selector = models.JSONField(_("concerns"), default=dict, blank=True)
    condition = models.CharField(_("condition"), max_length=40, blank=True, default="")
    condition_params = models.JSONField(_("condition's settings"), default=dict, blank=True)
    recovery_params = models.JSONField(_("recovery condition"), null=True, blank=True)
    key_columns = models.JSONField(_("key columns"), default=list, blank=True)
    is_row_level = models.BooleanField(_("each row by itself"), default=False)
    outcomes = models.JSONField(_("outcomes"), default=list, blank=True)
    contract = models.JSONField(_("agreed on"), default=dict, blank=True)
    subjects = models.JSONField(_("parts of the portal"), default=list, blank=True)
    policy = models.JSONField(_("policy"), default=dict, blank=True)
    result_grace = models.DurationField(
        _("a result is due"),
        default=timedelta(minutes=5),
        help_text=_("So long after the schedule's fire time; then the alert is stale."),
    )
    severity = models.CharField(_("severity"), max_length=10, choices=Severity.choices, default=Severity.WARNING)
    labels = models.JSONField(_("labels"), default=dict, blank=True)
    escalation = models.ForeignKey(
        "alerts.EscalationPolicy",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("escalation policy"),
    )
    is_enabled = models.BooleanField(_("enabled"), default=True)
    enabled_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("alert rule")
        verbose_name_plural = _("alert rules")
        ordering = ["slug"]
        constraints = [models.UniqueConstraint(fields=["tenant", "slug"], name="alertrule_slug_per_tenant")]

    def __str__(self) -> str:
        return self.name


class AlertStatus(models.Model):
    """A rule about one subject: what the fold remembers. Made by `alerts.standing`, written by `alerts.evaluate`.

    `subject` is "job:<id>", or a part of the portal. `wakes_at` is when time alone will change something.
    """

    permission_parent = "rule"

    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="statuses", verbose_name=_("alert rule"))
    subject = models.CharField(_("subject"), max_length=100)
    job = models.ForeignKey(Job, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("job"))
    state = models.CharField(_("state"), max_length=10, choices=AlertState.choices, default=AlertState.OK)
    state_at = models.DateTimeField(_("since"))
    memory = models.JSONField(default=dict, editable=False)
    wakes_at = models.DateTimeField(null=True, blank=True, db_index=True, editable=False)
    checked_at = models.DateTimeField(_("last check"), null=True, blank=True)
    run = run_reference(_("last run"))
    value = models.FloatField(_("value"), null=True, blank=True)
    sentence = models.JSONField(_("found"), default=dict, blank=True)
    row_identities = models.JSONField(default=list, blank=True, editable=False)
    notified_at = models.DateTimeField(_("last notification"), null=True, blank=True)

    class Meta:
        verbose_name = _("alert state")
        verbose_name_plural = _("alert states")
        ordering = ["rule", "subject"]
        constraints = [models.UniqueConstraint(fields=["rule", "subject"], name="alertstatus_subject_per_rule")]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.subject}"


class AlertCheck(models.Model):
    """One look: its verdict, the value it saw, and the summary that later looks compare with."""

    status = models.ForeignKey(AlertStatus, models.CASCADE, related_name="checks", verbose_name=_("alert state"))
    at = models.DateTimeField(_("at"))
    verdict = models.CharField(_("verdict"), max_length=10)
    state = models.CharField(_("state"), max_length=10, choices=AlertState.choices)
    value = models.FloatField(_("value"), null=True, blank=True)
    sentence = models.JSONField(_("found"), default=dict, blank=True)
    summary = models.JSONField(null=True, blank=True, editable=False)
    run = run_reference(_("run"))
    took_ms = models.PositiveIntegerField(_("took (ms)"), default=0)

    class Meta:
        verbose_name = _("alert check")
        verbose_name_plural = _("alert checks")
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["status", "-at"], name="alertcheck_status_at"),
            models.Index(fields=["at"], name="alertcheck_at"),  # what is old
        ]

    def __str__(self) -> str:
        return f"{self.status_id} {self.verdict}"


class AlertRow(models.Model):
    """A row that the query gave, by the identity its key columns give it."""

    status = models.ForeignKey(AlertStatus, models.CASCADE, related_name="rows", verbose_name=_("alert state"))
    identity = models.CharField(max_length=32)
    key = models.JSONField(_("key"), default=list)
    row = models.JSONField(_("row"), default=list)
    columns = models.JSONField(_("columns"), default=list)
    first_at = models.DateTimeField(_("new at"))
    last_at = models.DateTimeField(_("last seen"))
    resolved_at = models.DateTimeField(_("resolved at"), null=True, blank=True)
    acknowledged_at = models.DateTimeField(_("acknowledged at"), null=True, blank=True)
    acknowledged_by = models.CharField(_("acknowledged by"), max_length=150, blank=True, default="")
    comment = models.CharField(_("comment"), max_length=500, blank=True, default="")

    class Meta:
        verbose_name = _("alert row")
        verbose_name_plural = _("alert rows")
        ordering = ["-last_at", "id"]
        constraints = [models.UniqueConstraint(fields=["status", "identity"], name="alertrow_identity")]
        indexes = [
            models.Index(fields=["status", "resolved_at"], name="alertrow_unresolved"),
            models.Index(fields=["resolved_at"], name="alertrow_resolved"),  # what is old
        ]

    def __str__(self) -> str:
        return ", ".join(str(cell) for cell in self.key)[:200]
