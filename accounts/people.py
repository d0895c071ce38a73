"""User accounts: creating one inside a tenant, and setting passwords."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction

from accounts import audit
from accounts.models import Membership, Tenant, User
from accounts.permissions import can, manages
from accounts.tenants import add_member


@transaction.atomic
def create_user(user: User, *, actor: User, tenant: Tenant | None, role: str) -> Membership | None:
    """Save a new user and make them a member. Without a tenant: platform admins only, and no membership."""
    if not actor.is_platform_admin and (tenant is None or not manages(actor, tenant.pk)):
        raise PermissionDenied
    user.save()
    audit.record("accounts.user.created", actor=actor, target=user, tenant=tenant, summary=user.username)
    return add_member(tenant, actor=actor, user=user, role=role) if tenant is not None else None


@transaction.atomic
def set_password(user: User, *, actor: User, password: str) -> None:
    """Set somebody else's password, which ends their sessions."""
    if not can(actor, "change", user):
        raise PermissionDenied
    user.set_password(password)
    user.save(update_fields=["password"])
    record_change(user, actor=actor, verb="accounts.user.password_set")


def record_change(user: User, *, actor: User, verb: str = "accounts.user.changed", **details: Any) -> None:
    """Audit it in every tenant of the user: who changed one of their members is each tenant's business."""
    memberships = Membership.objects.filter(user=user).select_related("tenant")
    tenants: list[Tenant | None] = [each.tenant for each in memberships]
    for tenant in tenants or [None]:
        audit.record(verb, actor=actor, target=user, tenant=tenant, summary=user.username, details=details)
