"""The library of SQL scripts: a name with versions that never change."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Tenant, TenantOwned
from datasources.models.datasource import DataSource


class SqlScript(TenantOwned):
    """What a team keeps of SQL. Its text is in its versions; `current` is the newest of them."""

    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(_("slug"), max_length=50)
    description = models.TextField(_("description"), blank=True, default="")
    datasources = models.ManyToManyField(
        DataSource,
        blank=True,
        related_name="scripts",
        verbose_name=_("datasources"),
        help_text=_("Where it may run. None chosen: on any datasource."),
    )
    current = models.ForeignKey(
        "datasources.SqlScriptVersion",
        models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("current version"),
    )

    class Meta:
        verbose_name = _("SQL script")
        verbose_name_plural = _("SQL scripts")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["tenant", "name"], name="sqlscript_name_per_tenant"),
            models.UniqueConstraint(fields=["tenant", "slug"], name="sqlscript_slug_per_tenant"),
        ]
        permissions = [("use_sqlscript", _("Can use SQL script"))]

    def __str__(self) -> str:
        return self.name


class SqlScriptVersion(models.Model):
    """One text with the parameters it takes (`portal.lib.runparams`). Never updated."""

    permission_parent = "script"

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+", verbose_name=_("tenant"))
    script = models.ForeignKey(SqlScript, models.CASCADE, related_name="versions", verbose_name=_("SQL script"))
    number = models.PositiveIntegerField(_("number"))
    text = models.TextField(_("SQL"))
    parameters = models.JSONField(_("parameters"), default=list, blank=True)
    note = models.CharField(_("note"), max_length=200, blank=True, default="")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", verbose_name=_("author")
    )
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("version of a SQL script")
        verbose_name_plural = _("versions of SQL scripts")
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["script", "number"], name="sqlscript_version_number")]

    def __str__(self) -> str:
        return f"#{self.number}"
