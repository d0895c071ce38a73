"""Tenants and their members: the only writers of Tenant and Membership rows that people ask for.

Each service checks the actor's right, changes, and audits in one transaction. A refusal is a ValidationError
whose text says what to do; a missing right is PermissionDenied.
"""

from typing import Any

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection, transaction
from django.utils.translation import gettext as _

from accounts import audit
from accounts.grants import drop_grants
from accounts.models import Membership, RoleName, Tenant, User
from accounts.permissions import manages, memberships_of, roles


@transaction.atomic
def create_tenant(*, actor: User | None, slug: str, name: str, **limits: Any) -> Tenant:
    """A new tenant. Only a platform admin creates one; actor None is the set-up itself."""
    if actor is not None and not actor.is_platform_admin:
        raise PermissionDenied
    tenant = Tenant(slug=slug, name=name, **limits)
    tenant.full_clean()
    tenant.save()
    audit.record("accounts.tenant.created", actor=actor, target=tenant, tenant=tenant)
    return tenant


@transaction.atomic
def add_member(tenant: Tenant, *, actor: User | None, user: User, role: str) -> Membership:
    """Make the user a member. Actor None is the set-up itself."""
    _check_right(actor, tenant)
    _check_role(actor, tenant, role)
    if Membership.objects.filter(tenant=tenant, user=user).exists():
        raise ValidationError(_("This user is a member already. Change the role instead."))
    membership = Membership.objects.create(tenant=tenant, user=user, role=role)
    _set_staff(user)
    _record("accounts.membership.added", actor, membership, after=role)
    return membership


@transaction.atomic
def change_role(membership: Membership, *, actor: User, role: str) -> bool:
    """Give the member another role. False: it was this one already."""
    _check_right(actor, membership.tenant)
    _check_role(actor, membership.tenant, role)
    current = _locked(membership)
    if current.role == role:
        return False
    if role != RoleName.ADMIN:
        refuse_without_admin(current)
    before, current.role = current.role, role
    current.save(update_fields=["role"])
    membership.role = role
    _record("accounts.membership.changed", actor, current, before=before, after=role)
    return True


@transaction.atomic
def remove_member(membership: Membership, *, actor: User) -> None:
    """End the membership and every grant on single objects of the tenant."""
    _check_right(actor, membership.tenant)
    current = _locked(membership)
    _check_role(actor, current.tenant, current.role)
    refuse_without_admin(current)
    _record("accounts.membership.removed", actor, current, before=current.role)
    drop_grants(current.user, current.tenant_id)
    current.delete()
    _set_staff(current.user)


def refuse_without_admin(membership: Membership) -> None:
    """A tenant keeps at least one active admin."""
    if membership.role != RoleName.ADMIN:
        return
    others = Membership.objects.filter(tenant_id=membership.tenant_id, role=RoleName.ADMIN, user__is_active=True)
    if not others.exclude(pk=membership.pk).exists():
        raise ValidationError(_("This is the tenant's last admin. Make another member tenant admin first."))


def allowed_roles(actor: User, tenant: Tenant | None) -> list[str]:
    """The roles the actor may give in the tenant: none above their own."""
    if actor.is_superuser:
        return list(RoleName.values)
    if tenant is None or not manages(actor, tenant.pk):
        return []
    own = roles().get(memberships_of(actor).get(tenant.pk, ""), frozenset())
    return [name for name in RoleName.values if roles().get(name, frozenset()) <= own]


def _check_right(actor: User | None, tenant: Tenant) -> None:
    if actor is not None and not manages(actor, tenant.pk):
        raise PermissionDenied


def _check_role(actor: User | None, tenant: Tenant, role: str) -> None:
    if role not in RoleName.values:
        raise ValidationError(_("There is no such role."))
    if actor is not None and role not in allowed_roles(actor, tenant):
        raise PermissionDenied(_("You can't give a role above your own."))


def _locked(membership: Membership) -> Membership:
    """The membership, all of the tenant's memberships locked: two admins can't remove each other at once."""
    rows = Membership.objects.filter(tenant_id=membership.tenant_id).order_by("pk")
    if connection.features.has_select_for_update:
        rows = rows.select_for_update()
    found = next((row for row in rows if row.pk == membership.pk), None)
    if found is None:
        raise ValidationError(_("This user is no longer a member."))
    return found


def _set_staff(user: User) -> None:
    """Members may log in to the portal's pages; who belongs to no tenant may not."""
    wanted = user.is_superuser or Membership.objects.filter(user=user).exists()
    if user.is_staff != wanted:
        user.is_staff = wanted
        user.save(update_fields=["is_staff"])


def _record(verb: str, actor: User | None, membership: Membership, **details: str) -> None:
    details["user"] = membership.user.username
    audit.record(verb, actor=actor, target=membership, tenant=membership.tenant, details=dict(details))
