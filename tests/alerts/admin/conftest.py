"""People at the admin's door."""

from tests.jobs.admin.conftest import as_role, editor

__all__ = ["as_role", "editor"]
