"""A tenant with a few jobs, and the two commands."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Tenant
from tests.jobs import rows

HEAD = "version: 1\ntenant: acme\n"
Told = Callable[..., str]


@pytest.fixture
def acme(db: None) -> Tenant:
    """With a SQL job, another job, and two people who may be on call."""
    rows.job("orders-check", kind="sql", params={"datasource": "shop", "sql": "select 1"}, name="Orders check")
    rows.job("report", labels={"team": "shop"})
    rows.user("ann", role="operator")
    rows.user("bob")
    return rows.tenant()


@pytest.fixture
def apply(acme: Tenant, tmp_path: Path) -> Told:
    """Apply sections of acme's file; what the command said. A refusal is a CommandError."""

    def applied(text: str, *options: str, head: str = HEAD) -> str:
        path = tmp_path / "file.yaml"
        path.write_text(head + text, encoding="utf-8")
        out = io.StringIO()
        call_command("apply", str(path), *options, stdout=out)
        return out.getvalue()

    return applied


@pytest.fixture
def refusal(apply: Told) -> Told:
    """The sentence with which sections are refused."""

    def refused(text: str, *options: str) -> str:
        with pytest.raises(CommandError) as caught:
            apply(text, *options)
        return str(caught.value)

    return refused


@pytest.fixture
def export(acme: Tenant) -> Told:
    """The file of a tenant."""

    def exported(tenant: str = "acme") -> str:
        out = io.StringIO()
        call_command("export", "--tenant", tenant, stdout=out)
        return out.getvalue()

    return exported
