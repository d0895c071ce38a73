"""WHERE FROM: databases of the users, and secrets."""

from datasources.models.approval import WriteApproval
from datasources.models.datasource import DataSource, DataSourceUserGrant
from datasources.models.secret import Secret

__all__ = ["DataSource", "DataSourceUserGrant", "Secret", "WriteApproval"]
