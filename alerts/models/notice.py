"""Who is told of what."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantOwned
from alerts.models.channel import Channel
from alerts.models.rule import AlertRule
from alerts.states import Severity
from jobs.models import Job


class NotificationRule(TenantOwned):
    """Tells `channels` of `triggers` (`alerts.states.Trigger`) of one job, one alert rule, or what `selector` fits.

    `policy` is an `alerts.noticefold.NoticePolicy` without its triggers, for what runs do; `quiet_hours` an
    `alerts.quiethours.QuietHours`, `digest` an `alerts.quiethours.Digest`, both as JSON. Empty templates: the
    trigger's own.
    """

    name = models.CharField(_("name"), max_length=150)
    job = models.ForeignKey(
        Job, models.CASCADE, null=True, blank=True, related_name="notification_rules", verbose_name=_("job")
    )
    alert_rule = models.ForeignKey(
        AlertRule,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="notification_rules",
        verbose_name=_("alert rule"),
    )
    selector = models.JSONField(_("concerns"), default=dict, blank=True)
    triggers = models.JSONField(_("triggers"), default=list)
    policy = models.JSONField(_("how often"), default=dict, blank=True)
    severity_floor = models.CharField(
        _("only from this severity"), max_length=10, choices=Severity.choices, blank=True, default=""
    )
    quiet_hours = models.JSONField(_("quiet hours"), null=True, blank=True)
    digest = models.JSONField(_("digest"), null=True, blank=True)
    subject_template = models.CharField(_("subject"), max_length=300, blank=True, default="")
    body_template = models.TextField(_("text"), blank=True, default="")
    channels = models.ManyToManyField(Channel, blank=True, related_name="rules", verbose_name=_("channels"))
    is_enabled = models.BooleanField(_("enabled"), default=True)

    class Meta:
        verbose_name = _("notification rule")
        verbose_name_plural = _("notification rules")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class NoticeMemory(models.Model):
    """What `alerts.noticefold` remembers of one job for one notification rule."""

    rule = models.ForeignKey(NotificationRule, models.CASCADE, related_name="memories")
    job = models.ForeignKey(Job, models.CASCADE, related_name="+")
    memory = models.JSONField(default=dict)

    class Meta:
        verbose_name = _("notification memory")
        verbose_name_plural = _("notification memories")
        constraints = [models.UniqueConstraint(fields=["rule", "job"], name="noticememory_job_per_rule")]

    def __str__(self) -> str:
        return f"{self.rule_id}/{self.job_id}"
