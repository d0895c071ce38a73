"""Admin pages of datasources and secrets."""

from datasources.admin.approval import WriteApprovalAdmin
from datasources.admin.datasource import DataSourceAdmin
from datasources.admin.secret import SecretAdmin

__all__ = ["DataSourceAdmin", "SecretAdmin", "WriteApprovalAdmin"]
