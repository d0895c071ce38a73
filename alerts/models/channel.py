"""A way to reach people or machines. The row does no I/O; `alerts.transports` does."""

from uuid import uuid4

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantOwned
from portal.lib.encrypted import EncryptedTextField


class Channel(TenantOwned):
    """`params` is what the transport's `Params` allows; `secrets_encrypted` is the sealed JSON of its secrets.

    `proven_at` is the last delivery that the other side took; `failing_since` is the first failure after it.
    """

    key = models.UUIDField(default=uuid4, unique=True, editable=False)  # binds the ciphertext to this row
    slug = models.SlugField(_("slug"), max_length=50)
    name = models.CharField(_("name"), max_length=100)
    description = models.TextField(_("description"), blank=True, default="")
    kind = models.CharField(_("kind"), max_length=30)
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    secrets_encrypted = EncryptedTextField(blank=True, default="")
    language = models.CharField(_("language of its messages"), max_length=10, default="zh-hans")
    is_active = models.BooleanField(_("active"), default=True)
    fallback = models.ForeignKey(
        "self",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("when it fails"),
        help_text=_("This channel takes over after the second failure, or when a message has waited for a minute."),
    )
    drill_every = models.DurationField(
        _("fire drill every"),
        null=True,
        blank=True,
        help_text=_("A test message goes out so often when nothing else has proven that the channel works."),
    )
    drilled_at = models.DateTimeField(_("last fire drill"), null=True, blank=True, editable=False)
    proven_at = models.DateTimeField(_("last proven delivery"), null=True, blank=True, editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True, editable=False)
    failure_count = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    problem = models.JSONField(_("last failure"), default=dict, blank=True, editable=False)

    class Meta:
        verbose_name = _("channel")
        verbose_name_plural = _("channels")
        ordering = ["slug"]
        constraints = [models.UniqueConstraint(fields=["tenant", "slug"], name="channel_slug_per_tenant")]

    def __str__(self) -> str:
        return self.name
