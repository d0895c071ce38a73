"""The outbox: what is to be said, to whom, and how often it was tried."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Tenant, TenantOwned
from alerts.models.channel import Channel
from alerts.models.incident import Incident
from alerts.models.notice import NotificationRule
from alerts.models.references import run_reference
from alerts.models.rule import AlertRule
from alerts.states import TEST, NotificationStatus, Severity, Trigger
from jobs.models import Job


class Notification(TenantOwned):
    """One message for one channel. Only `alerts.outbox` and `alerts.dispatch` write `status`, `token`, `lease_until`.

    `dedupe_key` is what it is about (rule, subject, event, channel, recipients): made once, however often the event
    is seen. `delivery_id` goes with it and is the same in every try. `recipients` is for a channel that takes them
    (an on-call member's address); [] are the channel's own. `stands_in_for` is the message whose channel failed.
    """

    delivery_id = models.UUIDField(_("delivery id"), default=uuid4, unique=True, editable=False)
    dedupe_key = models.CharField(max_length=191, unique=True, editable=False)
    channel = models.ForeignKey(Channel, models.CASCADE, related_name="notifications", verbose_name=_("channel"))
    recipients = models.JSONField(_("recipients"), default=list, blank=True)
    trigger = models.CharField(_("trigger"), max_length=20, choices=[*Trigger.choices, (TEST, _("Test message"))])
    severity = models.CharField(_("severity"), max_length=10, choices=Severity.choices)
    rule = models.ForeignKey(
        NotificationRule,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("notification rule"),
    )
    alert_rule = models.ForeignKey(
        AlertRule, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("alert rule")
    )
    incident = models.ForeignKey(
        Incident, models.SET_NULL, null=True, blank=True, related_name="notifications", verbose_name=_("incident")
    )
    job = models.ForeignKey(Job, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("job"))
    run = run_reference(_("run"), is_indexed=True)
    subject = models.CharField(_("subject"), max_length=300)
    body = models.TextField(_("text"), blank=True, default="")
    facts = models.JSONField(default=dict, blank=True, editable=False)  # what a machine that is told gets
    language = models.CharField(max_length=10, default="en", editable=False)

    status = models.CharField(
        _("status"), max_length=12, choices=NotificationStatus.choices, default=NotificationStatus.PENDING
    )
    not_before = models.DateTimeField(_("not before"))
    digest_key = models.CharField(max_length=100, blank=True, default="", editable=False)
    why = models.JSONField(_("why"), default=dict, blank=True)  # it is held, suppressed or dead
    tries = models.PositiveIntegerField(_("tries"), default=0)
    first_failed_at = models.DateTimeField(null=True, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    token = models.PositiveBigIntegerField(default=0, editable=False)
    happened_at = models.DateTimeField(_("happened at"))
    sent_at = models.DateTimeField(_("sent at"), null=True, blank=True)
    stands_in_for = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="stand_ins", verbose_name=_("stands in for")
    )

    class Meta:
        verbose_name = _("notification")
        verbose_name_plural = _("notifications")
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["status", "channel", "not_before"], name="notification_due"),
            models.Index(fields=["status", "lease_until"], name="notification_leased"),
            models.Index(fields=["tenant", "-id"], name="notification_recent"),
            models.Index(fields=["digest_key", "status"], name="notification_digest"),
            models.Index(fields=["happened_at", "tenant"], name="notification_happened"),
        ]

    def __str__(self) -> str:
        return self.subject


class DeliveryAttempt(models.Model):
    """One try to send. `problem` is a sentence, {} when the other side took it; `receipt` is what it answered."""

    permission_parent = "notification"

    notification = models.ForeignKey(
        Notification, models.CASCADE, related_name="attempts", verbose_name=_("notification")
    )
    number = models.PositiveIntegerField(_("number"))
    sender = models.CharField(_("sender"), max_length=120, blank=True, default="")
    started_at = models.DateTimeField(_("started at"))
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    is_ok = models.BooleanField(_("delivered"), null=True)
    problem = models.JSONField(_("problem"), default=dict, blank=True)
    receipt = models.CharField(_("answer"), max_length=300, blank=True, default="")

    class Meta:
        verbose_name = _("delivery attempt")
        verbose_name_plural = _("delivery attempts")
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["notification", "number"], name="delivery_attempt_number")]
        indexes = [models.Index(fields=["started_at"], name="delivery_attempt_started")]  # the tries of a minute

    def __str__(self) -> str:
        return f"{self.notification_id}.{self.number}"


class InboxMessage(models.Model):
    """A message in one person's inbox in the admin. `tenant` is NULL for what concerns the platform."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("for"))
    tenant = models.ForeignKey(
        Tenant, models.CASCADE, null=True, blank=True, related_name="+", verbose_name=_("tenant")
    )
    delivery_id = models.UUIDField(default=uuid4, editable=False)
    subject = models.CharField(_("subject"), max_length=300)
    body = models.TextField(_("text"), blank=True, default="")
    severity = models.CharField(_("severity"), max_length=10, choices=Severity.choices)
    link = models.CharField(max_length=300, blank=True, default="", editable=False)
    incident = models.ForeignKey(
        Incident, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("incident")
    )
    created_at = models.DateTimeField(_("at"))
    read_at = models.DateTimeField(_("read at"), null=True, blank=True)

    class Meta:
        verbose_name = _("inbox message")
        verbose_name_plural = _("inbox messages")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["user", "delivery_id"], name="inbox_message_once")]
        indexes = [
            models.Index(fields=["user", "read_at", "-id"], name="inbox_unread"),
            models.Index(fields=["read_at"], name="inbox_read"),  # what is old
            models.Index(fields=["created_at"], name="inbox_created"),
        ]

    def __str__(self) -> str:
        return self.subject
