"""The portal's own user model, from the first migration on."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """A person or a robot. A superuser is a platform admin; everybody else acts through memberships."""

    tenant_path = "memberships__tenant"
    request_memberships: "dict[int, str] | None" = None  # tenant id → role, left here by the middleware

    language = models.CharField(_("language"), max_length=10, blank=True, default="")
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta(AbstractUser.Meta):
        verbose_name = _("user")  # type: ignore[assignment]
        verbose_name_plural = _("users")  # type: ignore[assignment]

    @property
    def is_platform_admin(self) -> bool:
        return self.is_active and self.is_superuser
