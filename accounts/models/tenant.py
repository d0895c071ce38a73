"""Tenants, and who belongs to them in which role."""

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class RoleName(models.TextChoices):
    """The roles of a tenant; `portal.roles` says what each may do."""

    VIEWER = "viewer", _("Viewer")
    OPERATOR = "operator", _("Operator")
    EDITOR = "editor", _("Editor")
    ADMIN = "admin", _("Tenant admin")


class Tenant(models.Model):
    """A team whose rows nobody else sees. Limits that are empty do not limit."""

    slug = models.SlugField(_("slug"), max_length=50, unique=True)
    name = models.CharField(_("name"), max_length=100)
    is_active = models.BooleanField(_("active"), default=True)
    job_limit = models.PositiveIntegerField(_("most jobs"), null=True, blank=True)
    running_limit = models.PositiveIntegerField(
        _("most runs at once"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    log_bytes_limit = models.PositiveBigIntegerField(
        _("most stored log bytes"),
        null=True,
        blank=True,
        help_text=_("Beyond it the oldest logs are deleted, but none of the last day: new ones are cut short instead."),
    )
    run_days = models.PositiveIntegerField(
        _("days its runs are kept"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Where a job says nothing. Empty: as the portal keeps them."),
    )
    log_days = models.PositiveIntegerField(
        _("days its logs are kept"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    timeout_limit = models.DurationField(_("longest timeout"), null=True, blank=True)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """One user in one tenant, with one role."""

    tenant = models.ForeignKey(Tenant, models.CASCADE, related_name="memberships", verbose_name=_("tenant"))
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships", verbose_name=_("user")
    )
    role = models.CharField(_("role"), max_length=20, choices=RoleName.choices, default=RoleName.VIEWER)
    created_at = models.DateTimeField(_("created at"), auto_now_add=True)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        ordering = ["tenant__slug", "user__username"]
        constraints = [models.UniqueConstraint(fields=["tenant", "user"], name="membership_once_per_tenant")]

    def __str__(self) -> str:
        return f"{self.user} · {self.tenant}"
