"""Who is told next when nobody answers, and who is on call."""

from datetime import timedelta

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantOwned
from alerts.models.channel import Channel


class OnCallRota(TenantOwned):
    """Members take turns in shifts of a wall clock (`alerts.rota.Rota`). `members` is [user id] in their order."""

    slug = models.SlugField(_("slug"), max_length=80)
    name = models.CharField(_("name"), max_length=150)
    members = models.JSONField(_("members"), default=list, blank=True)
    starts = models.DateTimeField(_("first handover"))
    timezone = models.CharField(_("time zone"), max_length=64, default="Asia/Shanghai")
    shift_length = models.DurationField(_("length of a shift"), default=timedelta(weeks=1))

    class Meta:
        verbose_name = _("on-call rota")
        verbose_name_plural = _("on-call rotas")
        ordering = ["slug"]
        constraints = [models.UniqueConstraint(fields=["tenant", "slug"], name="rota_slug_per_tenant")]

    def __str__(self) -> str:
        return self.name


class OnCallOverride(models.Model):
    """Somebody stands in for a while."""

    permission_parent = "rota"

    rota = models.ForeignKey(OnCallRota, models.CASCADE, related_name="overrides", verbose_name=_("rota"))
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", verbose_name=_("stands in"))
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"))

    class Meta:
        verbose_name = _("stand-in")
        verbose_name_plural = _("stand-ins")
        ordering = ["starts_at", "id"]

    def __str__(self) -> str:
        return str(self.user)


class EscalationPolicy(TenantOwned):
    """Steps that follow each other until somebody acknowledges; then all of them again, `repeat_count` times."""

    slug = models.SlugField(_("slug"), max_length=80)
    name = models.CharField(_("name"), max_length=150)
    repeat_count = models.PositiveSmallIntegerField(_("all steps again"), default=0)
    ack_timeout = models.DurationField(
        _("an acknowledgement holds for"),
        null=True,
        blank=True,
        help_text=_("Afterwards, if it is not resolved, the steps begin anew. Empty: for good."),
    )

    class Meta:
        verbose_name = _("escalation policy")
        verbose_name_plural = _("escalation policies")
        ordering = ["slug"]
        constraints = [models.UniqueConstraint(fields=["tenant", "slug"], name="escalation_slug_per_tenant")]

    def __str__(self) -> str:
        return self.name


class EscalationStep(models.Model):
    """`wait` after the step before it (the first: after the incident opened), tell the channels and who is on call."""

    permission_parent = "policy"

    policy = models.ForeignKey(
        EscalationPolicy, models.CASCADE, related_name="steps", verbose_name=_("escalation policy")
    )
    number = models.PositiveSmallIntegerField(_("number"), validators=[MinValueValidator(1)])
    wait = models.DurationField(_("after"), default=timedelta(minutes=15))
    channels = models.ManyToManyField(Channel, blank=True, related_name="+", verbose_name=_("channels"))
    rota = models.ForeignKey(
        OnCallRota, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("who is on call in")
    )

    class Meta:
        verbose_name = _("escalation step")
        verbose_name_plural = _("escalation steps")
        ordering = ["policy", "number"]
        constraints = [models.UniqueConstraint(fields=["policy", "number"], name="escalation_step_number")]

    def __str__(self) -> str:
        return str(self.number)
