"""WHO: people, tenants, memberships, and the base class of every row a tenant owns."""

from accounts.models.audit import AuditEntry
from accounts.models.owned import TenantOwned
from accounts.models.tenant import Membership, RoleName, Tenant
from accounts.models.user import User

__all__ = ["AuditEntry", "Membership", "RoleName", "Tenant", "TenantOwned", "User"]
