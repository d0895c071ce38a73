"""What is decided about a queue. A queue without a row has no limit: any name a job and a worker share is a queue."""

from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

NAME = RegexValidator(r"^[a-z0-9_-]{1,50}\Z", _("Use small letters, digits, “-” and “_”, at most 50."))


class Queue(models.Model):
    """Of the whole platform: platform admins decide. `running_limit` counts runs of all tenants and workers."""

    name = models.CharField(_("name"), max_length=50, unique=True, validators=[NAME])
    description = models.CharField(_("description"), max_length=200, blank=True, default="")
    running_limit = models.PositiveIntegerField(
        _("most runs at once"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Of all tenants and workers together. Empty: no limit."),
    )
    is_paused = models.BooleanField(
        _("paused"), default=False, help_text=_("What runs goes on; nothing more is started until it is resumed.")
    )

    class Meta:
        verbose_name = _("queue")
        verbose_name_plural = _("queues")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
