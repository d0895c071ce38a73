"""The cast of permission tests: a tenant with one user per role, and people from outside."""

from dataclasses import dataclass

from accounts.models import Membership, RoleName, Tenant, User


@dataclass(frozen=True, kw_only=True)
class Cast:
    """One tenant and its people. `owner` is the tenant's admin."""

    tenant: Tenant
    owner: User
    editor: User
    operator: User
    viewer: User

    @property
    def members(self) -> dict[str, User]:
        return {"owner": self.owner, "editor": self.editor, "operator": self.operator, "viewer": self.viewer}


def make_user(username: str, *, password: str = "", **fields) -> User:
    fields.setdefault("is_staff", True)
    return User.objects.create_user(username, password=password or None, **fields)


def join(user: User, tenant: Tenant, role: str) -> User:
    Membership.objects.create(tenant=tenant, user=user, role=role)
    return user


def make_cast(slug: str) -> Cast:
    tenant = Tenant.objects.create(slug=slug, name=f"Tenant {slug}")
    people = {
        name: join(make_user(f"{slug}-{name}"), tenant, role)
        for name, role in (
            ("owner", RoleName.ADMIN),
            ("editor", RoleName.EDITOR),
            ("operator", RoleName.OPERATOR),
            ("viewer", RoleName.VIEWER),
        )
    }
    return Cast(tenant=tenant, **people)


def make_stranger(username: str = "stranger") -> User:
    """May log in to the admin, but belongs to no tenant."""
    return make_user(username)


def make_platform_admin(username: str = "root") -> User:
    return make_user(username, is_superuser=True)
