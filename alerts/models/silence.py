"""For a while nobody is told of what fits."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantOwned


class Silence(TenantOwned):
    """From `starts_at` until `ends_at` nothing is sent for what `selector` (`alerts.routing.Selector`) fits.

    States and incidents go on; what would have been sent is kept as suppressed. `ended_at`: somebody ended it early.
    """

    reason = models.CharField(_("reason"), max_length=300)
    selector = models.JSONField(_("concerns"), default=dict, blank=True)
    starts_at = models.DateTimeField(_("from"))
    ends_at = models.DateTimeField(_("until"))
    ended_at = models.DateTimeField(_("ended early at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("silence")
        verbose_name_plural = _("silences")
        ordering = ["-starts_at", "-id"]
        indexes = [models.Index(fields=["tenant", "ends_at"], name="silence_ends")]

    def __str__(self) -> str:
        return self.reason
