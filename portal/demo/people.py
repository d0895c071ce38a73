"""The people of the demo: one per role and team, with passwords nobody knows beforehand."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from accounts.models import RoleName, Tenant, User
from accounts.tenants import add_member, create_tenant

PLATFORM_ADMIN = "admin"
PASSWORD_BYTES = 12


def make_tenant(slug: str, name: str) -> tuple[Tenant, bool]:
    """The team, and whether it is new."""
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is not None:
        return tenant, False
    return create_tenant(actor=None, slug=slug, name=name), True


def make_people(tenants: list[Tenant]) -> list[tuple[str, str, str, str]]:
    """Create who is missing; returns (username, password, role, tenant) of the new ones."""
    made = []
    if not User.objects.filter(username=PLATFORM_ADMIN).exists():
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        User.objects.create_superuser(PLATFORM_ADMIN, password=password)
        made.append((PLATFORM_ADMIN, password, "platform-admin", "-"))
    for tenant in tenants:
        for role in RoleName.values:
            username = f"{tenant.slug}-{role}"
            if User.objects.filter(username=username).exists():
                continue
            password = secrets.token_urlsafe(PASSWORD_BYTES)
            user = User.objects.create_user(username, password=password, is_staff=True)
            add_member(tenant, actor=None, user=user, role=role)
            made.append((username, password, role, tenant.slug))
    return made


def keep_credentials(path: Path, made: list[tuple[str, str, str, str]]) -> None:
    """Add lines `username password role tenant` to a file that its owner alone can read."""
    if not made:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        os.fchmod(descriptor, 0o600)
        file.writelines(" ".join(row) + "\n" for row in made)
