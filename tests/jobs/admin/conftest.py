"""People at the admin's door."""

import pytest
from django.test import Client

from tests.jobs import rows


@pytest.fixture
def as_role(db):
    """`as_role("viewer")`: a client logged in as somebody with that role in tenant acme."""

    def log_in(role: str, of: str = "acme") -> Client:
        client = Client()
        client.force_login(rows.user(f"{of}-{role}", role, rows.tenant(of)))
        return client

    return log_in


@pytest.fixture
def editor(as_role):
    return as_role("editor")
