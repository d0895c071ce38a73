"""Rights on single objects: who may give them, and the service that does."""

from collections.abc import Collection

from django.contrib.auth.models import Permission
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils.translation import gettext as _
from guardian.shortcuts import assign_perm, remove_perm

from accounts import audit
from accounts.models import User
from accounts.permissions import can, manages
from accounts.scoping import grant_model, grant_models, of_tenants, tenant_id_of


def verbs_of(model: type[Model]) -> list[str]:
    """What can be granted on one object: ["view", "change", "delete", "run"]."""
    own = [codename.removesuffix(f"_{model._meta.model_name}") for codename, _name in model._meta.permissions]
    return ["view", "change", "delete", *own]


def grantable_verbs(actor: User, row: Model) -> list[str]:
    """The verbs this actor may grant on the row: those the actor holds, and only as an admin of its tenant."""
    if grant_model(type(row)) is None or not manages(actor, tenant_id_of(row)):
        return []
    return [verb for verb in verbs_of(type(row)) if can(actor, verb, row)]


def grantable_users(row: Model) -> QuerySet[User]:
    """Who may be granted something: the members of the row's tenant. A platform admin needs no grant."""
    members = User.objects.filter(memberships__tenant__in=[tenant_id_of(row)])
    return members.filter(is_active=True, is_superuser=False).order_by("username")


def granted_verbs(row: Model) -> dict[User, set[str]]:
    """User → verbs, for everybody who was granted something on this row."""
    table = grant_model(type(row))
    found: dict[User, set[str]] = {}
    if table is None:
        return found
    suffix = f"_{row._meta.model_name}"
    held = table._default_manager.filter(content_object=row).select_related("user", "permission")
    for grant in held.order_by("user__username"):
        found.setdefault(grant.user, set()).add(grant.permission.codename.removesuffix(suffix))
    return found


@transaction.atomic
def set_grants(row: Model, *, actor: User, user: User, verbs: Collection[str]) -> bool:
    """Give `user` exactly these verbs on the row, among those the actor may grant. False: nothing changed."""
    mine = set(grantable_verbs(actor, row))
    if not mine or not set(verbs) <= mine:
        raise PermissionDenied(_("You can't grant a right that you don't have yourself."))
    if not grantable_users(row).filter(pk=user.pk).exists():
        raise PermissionDenied(_("Rights on single objects go to members of the object's tenant only."))
    before = granted_verbs(row).get(user, set())
    wanted = (before - mine) | set(verbs)
    if wanted == before:
        return False
    for verb in wanted - before:
        assign_perm(_permission(verb, row), user, row)
    for verb in before - wanted:
        remove_perm(_permission(verb, row), user, row)
    details = {"user": user.username, "before": sorted(before), "after": sorted(wanted)}
    audit.record("accounts.grant.changed", actor=actor, target=row, details=details)
    return True


def drop_grants(user: User, tenant_id: int) -> int:
    """Remove every grant of the user on rows of a tenant: they left it. The number of grants removed."""
    removed = 0
    for table in grant_models():
        removed += table._default_manager.filter(of_tenants(table, [tenant_id]), user=user).delete()[0]
    return removed


def _permission(verb: str, row: Model) -> Permission:
    return Permission.objects.get(
        content_type__app_label=row._meta.app_label, codename=f"{verb}_{row._meta.model_name}"
    )
