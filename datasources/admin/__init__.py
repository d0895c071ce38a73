"""Admin pages of datasources, secrets, SQL scripts, and the query console."""

from datasources.admin.approval import WriteApprovalAdmin
from datasources.admin.datasource import DataSourceAdmin
from datasources.admin.query import QueryRecordAdmin
from datasources.admin.script import SqlScriptAdmin
from datasources.admin.secret import SecretAdmin

__all__ = ["DataSourceAdmin", "QueryRecordAdmin", "SecretAdmin", "SqlScriptAdmin", "WriteApprovalAdmin"]
