"""That beat is alive, as seen in the ledger."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class BeatHeartbeat(models.Model):
    """One beat process; a row per host and process name, refreshed every few seconds."""

    name = models.CharField(_("name"), max_length=160, unique=True)
    host = models.CharField(_("host"), max_length=120)
    pid = models.IntegerField(_("process id"))
    started_at = models.DateTimeField(_("started at"))
    last_seen_at = models.DateTimeField(_("last seen at"), db_index=True)

    class Meta:
        verbose_name = _("beat heartbeat")
        verbose_name_plural = _("beat heartbeats")

    def __str__(self) -> str:
        return self.name
