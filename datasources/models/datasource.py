"""A user's database: how to reach it. The row does no I/O; `datasources.drivers` does."""

from uuid import uuid4

from django.db import models
from django.utils.translation import gettext_lazy as _
from guardian.models import UserObjectPermissionBase

from accounts.models import TenantOwned
from portal.lib.encrypted import EncryptedTextField

DEFAULT_MAX_AFFECTED = 1000  # rows one run may change before a second person is asked


class DataSource(TenantOwned):
    """A connection of one tenant. `params` is what the driver's `Params` allows; the password is apart."""

    key = models.UUIDField(default=uuid4, unique=True, editable=False)  # binds the ciphertext to this row
    slug = models.SlugField(_("slug"), max_length=50)
    name = models.CharField(_("name"), max_length=100)
    description = models.TextField(_("description"), blank=True, default="")
    kind = models.CharField(_("kind"), max_length=30)
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    password_encrypted = EncryptedTextField(blank=True, default="")
    is_active = models.BooleanField(_("active"), default=True)
    is_read_only = models.BooleanField(_("read-only"), default=True)
    max_affected_rows = models.PositiveIntegerField(
        _("changed rows at most"),
        null=True,
        blank=True,
        default=DEFAULT_MAX_AFFECTED,
        help_text=_("More than this in one run is undone until a second person approves it. Empty: no limit."),
    )
    tested_at = models.DateTimeField(_("last tested"), null=True, blank=True, editable=False)
    test_ok = models.BooleanField(_("last test passed"), null=True, editable=False)
    failing_since = models.DateTimeField(_("failing since"), null=True, blank=True, editable=False)
    test_message = models.CharField(_("last test result"), max_length=500, blank=True, default="", editable=False)

    role_name = models.CharField(_("database user"), max_length=200, blank=True, default="", editable=False)
    role_powers = models.JSONField(_("what its user may do"), default=list, blank=True, editable=False)

    class Meta:
        verbose_name = _("datasource")
        verbose_name_plural = _("datasources")
        ordering = ["slug"]
        constraints = [models.UniqueConstraint(fields=["tenant", "slug"], name="datasource_slug_per_tenant")]
        permissions = [("use_datasource", _("Can use datasource"))]

    def __str__(self) -> str:
        return self.name


class DataSourceUserGrant(UserObjectPermissionBase):
    """A right on one datasource for one user (guardian, direct foreign key)."""

    content_object = models.ForeignKey(DataSource, models.CASCADE)

    class Meta(UserObjectPermissionBase.Meta):
        abstract = False
        verbose_name = _("datasource grant")
        verbose_name_plural = _("datasource grants")
