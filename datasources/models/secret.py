"""A secret value of a tenant that scripts may be given."""

from uuid import uuid4

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import TenantOwned
from portal.lib.encrypted import EncryptedTextField

NAME_RULE = RegexValidator(
    r"^[A-Z][A-Z0-9_]*\Z", _("Use capital letters, digits and underscores, starting with a letter: API_KEY.")
)


class Secret(TenantOwned):
    """Write-only: once saved, the value is seen by scripts that may use it and by nobody else."""

    key = models.UUIDField(default=uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=60, validators=[NAME_RULE])
    description = models.CharField(_("description"), max_length=200, blank=True, default="")
    value_encrypted = EncryptedTextField()

    class Meta:
        verbose_name = _("secret")
        verbose_name_plural = _("secrets")
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["tenant", "name"], name="secret_name_per_tenant")]
        permissions = [("use_secret", _("Can use secret"))]

    def __str__(self) -> str:
        return self.name
