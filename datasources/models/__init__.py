"""WHERE FROM: databases of the users, secrets, SQL scripts, and what was asked by hand."""

from datasources.models.approval import WriteApproval
from datasources.models.datasource import DataSource, DataSourceUserGrant
from datasources.models.query import QueryRecord
from datasources.models.script import SqlScript, SqlScriptVersion
from datasources.models.secret import Secret

__all__ = [
    "DataSource",
    "DataSourceUserGrant",
    "QueryRecord",
    "Secret",
    "SqlScript",
    "SqlScriptVersion",
    "WriteApproval",
]
