"""Addresses by which other systems start jobs."""

from uuid import uuid4

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantOwned
from alerts.models.references import run_reference
from jobs.models import Job
from portal.lib.encrypted import EncryptedTextField


class IncomingHook(TenantOwned):
    """A signed POST to its address runs `job`. `param_map` is {run parameter: path into the JSON body}."""

    permission_parent = "job"

    key = models.UUIDField(default=uuid4, unique=True, editable=False)  # in its address, and binds the ciphertext
    name = models.CharField(_("name"), max_length=100)
    job = models.ForeignKey(Job, models.CASCADE, related_name="hooks", verbose_name=_("job"))
    secret_encrypted = EncryptedTextField(blank=True, default="")
    param_map = models.JSONField(_("parameters from the body"), default=dict, blank=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    last_call_at = models.DateTimeField(_("last call"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("incoming webhook")
        verbose_name_plural = _("incoming webhooks")
        ordering = ["name", "id"]

    def __str__(self) -> str:
        return self.name


class HookCall(models.Model):
    """One call that was let in or refused. `replay_key` makes a second one with the same signature impossible."""

    permission_parent = "hook"

    hook = models.ForeignKey(IncomingHook, models.CASCADE, related_name="calls", verbose_name=_("incoming webhook"))
    replay_key = models.CharField(max_length=128, null=True, blank=True, editable=False)  # noqa: DJ001 - unique
    at = models.DateTimeField(_("at"))
    address = models.CharField(_("from"), max_length=64, blank=True, default="")
    is_accepted = models.BooleanField(_("accepted"), default=False)
    why = models.CharField(_("why not"), max_length=300, blank=True, default="")
    run = run_reference(_("run"))

    class Meta:
        verbose_name = _("webhook call")
        verbose_name_plural = _("webhook calls")
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["hook", "replay_key"], name="hook_call_once")]
        indexes = [models.Index(fields=["at"], name="hook_call_at")]

    def __str__(self) -> str:
        return f"{self.hook_id} {self.at:%Y-%m-%d %H:%M:%S}"
