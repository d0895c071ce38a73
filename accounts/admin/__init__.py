"""The pages of tenants, members, users and the audit trail."""

from accounts.admin.audit import AuditEntryPage
from accounts.admin.members import MembershipPage
from accounts.admin.tenants import TenantPage
from accounts.admin.users import UserPage

__all__ = ["AuditEntryPage", "MembershipPage", "TenantPage", "UserPage"]
