"""What somebody ran in the query console: the text, never the result."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantOwned
from datasources.models.datasource import DataSource
from datasources.states import QueryMode


class QueryRecord(TenantOwned):
    """One use of the console by `user`, whose own it is. While it runs, `ended_at` is NULL.

    `key` is given by the page before the query starts, so that *Stop* can name it; `stop_requested_at` is what whoever
    executes it looks at.
    """

    key = models.UUIDField(default=uuid4, unique=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", editable=False, verbose_name=_("user")
    )
    datasource = models.ForeignKey(
        DataSource, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("datasource")
    )
    mode = models.CharField(_("what was done"), max_length=10, choices=QueryMode.choices, default=QueryMode.READ)
    text = models.TextField(_("SQL"))
    values = models.JSONField(_("parameters"), default=dict, blank=True)
    started_at = models.DateTimeField(_("started"))
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    stop_requested_at = models.DateTimeField(_("stop requested"), null=True, blank=True)
    is_ok = models.BooleanField(_("succeeded"), null=True)
    row_count = models.BigIntegerField(_("rows"), null=True, blank=True)
    elapsed_ms = models.PositiveIntegerField(_("milliseconds"), null=True, blank=True)
    problem = models.CharField(_("problem"), max_length=500, blank=True, default="")

    class Meta:
        verbose_name = _("query")
        verbose_name_plural = _("query history")
        ordering = ["-id"]
        indexes = [models.Index(fields=["user", "-id"], name="query_of_user"),
                   models.Index(fields=["started_at"], name="query_started")]  # fmt: skip

    def __str__(self) -> str:
        line = " ".join(self.text.split())
        return line if len(line) <= 60 else f"{line[:59]}…"
