"""The parts of the portal that an alert rule may watch."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from jobs.outages import Subject


class Part(models.TextChoices):
    """Those of which the watchdog opens outages; "queues" is any queue, "disk" any machine's."""

    PORTAL = Subject.PORTAL.value, Subject.PORTAL.label
    BEAT = Subject.BEAT.value, Subject.BEAT.label
    WORKERS = Subject.WORKERS.value, Subject.WORKERS.label
    BROKER = Subject.BROKER.value, Subject.BROKER.label
    DATABASE = Subject.DATABASE.value, Subject.DATABASE.label
    DISK = "disk", _("Disks: one is nearly full")
    QUEUES = "queues", _("Queues: runs wait and no worker takes them")
