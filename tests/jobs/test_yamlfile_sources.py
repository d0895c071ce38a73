"""The datasources of a definitions file: what goes in comes out, and silence lifts no limit."""

import io

import pytest
from django.core.management import call_command

from accounts.models import Tenant
from datasources.models import DataSource

pytestmark = pytest.mark.django_db
FILE = """\
version: 1
tenant: acme
datasources:
  - {slug: shop, kind: sqlite, params: {path: shop.sqlite3}%s}
"""


@pytest.fixture
def apply(tmp_path):
    Tenant.objects.create(slug="acme", name="Acme")

    def applied(more):
        path = tmp_path / "file.yaml"
        path.write_text(FILE % more, encoding="utf-8")
        call_command("apply", str(path), stdout=io.StringIO())
        return DataSource.objects.get()

    return applied


def test_a_limit_of_changed_rows_goes_in_and_out(apply):
    assert apply(", read_only: false, max_affected_rows: 500").max_affected_rows == 500
    out = io.StringIO()
    call_command("export", "--tenant", "acme", stdout=out)
    assert "max_affected_rows: 500" in out.getvalue()


@pytest.mark.parametrize(("more", "limit"), [("", 500), (", max_affected_rows: null", None)])
def test_a_limit_is_lifted_in_so_many_words_only(apply, more, limit):
    apply(", max_affected_rows: 500")
    assert apply(more).max_affected_rows == limit


@pytest.mark.parametrize(
    ("more", "limit", "written"), [("", 1000, ""), (", max_affected_rows: null", None, "max_affected_rows: null")]
)
def test_a_new_datasource_has_a_limit_unless_the_file_says_none(apply, more, limit, written):
    assert apply(more).max_affected_rows == limit
    out = io.StringIO()
    call_command("export", "--tenant", "acme", stdout=out)
    assert ("max_affected_rows" in out.getvalue()) == bool(written)
    assert written in out.getvalue()
