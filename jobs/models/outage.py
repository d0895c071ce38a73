"""A time in which a part of the portal gave no sign of life."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class Outage(models.Model):
    """`subject` is one of `jobs.outages.Subject`, or "queue:<name>". The row itself is the event to tell people of:
    `notified_at` is NULL until somebody has been told, `over_notified_at` until they have been told that it is over.

    While the outage lasts, `open_key` holds the subject: the unique index lets the whole cluster open one.
    """

    subject = models.CharField(_("what was silent"), max_length=80)
    open_key = models.CharField(max_length=80, unique=True, null=True, blank=True, editable=False)
    began_at = models.DateTimeField(_("last sign of life"))
    noticed_at = models.DateTimeField(_("noticed at"))
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True, db_index=True)
    noticed_by = models.CharField(_("noticed by"), max_length=200, blank=True, default="")
    notice_key = models.CharField(max_length=60, blank=True, default="", editable=False)
    notice_args = models.JSONField(default=dict, blank=True, editable=False)
    notified_at = models.DateTimeField(null=True, blank=True, editable=False)
    over_notified_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("outage")
        verbose_name_plural = _("outages")
        ordering = ["-began_at", "-id"]
        indexes = [models.Index(fields=["subject", "began_at"], name="outage_subject_began")]

    def __str__(self) -> str:
        return self.subject
