"""Captured output of an attempt."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from jobs.models.run import Attempt


class Stream(models.TextChoices):
    STDOUT = "stdout", _("Output")
    STDERR = "stderr", _("Errors")
    SYSTEM = "system", _("Portal")


class LogChunk(models.Model):
    """A piece of output; `seq` is 1..n without gaps. A chunk may end in the middle of a line."""

    attempt = models.ForeignKey(Attempt, models.CASCADE, related_name="chunks")
    seq = models.PositiveIntegerField()
    stream = models.CharField(max_length=10, choices=Stream.choices)
    at = models.DateTimeField()
    text = models.TextField()

    class Meta:
        verbose_name = _("log chunk")
        verbose_name_plural = _("log chunks")
        ordering = ["seq"]
        constraints = [models.UniqueConstraint(fields=["attempt", "seq"], name="chunk_seq_per_attempt")]

    def __str__(self) -> str:
        return f"{self.attempt_id}/{self.seq}"
