"""Configurations that would leak are refused at start."""

import pytest
from django.contrib import admin

from accounts.admin_base import ScopedRelatedFilter, TenantAdmin
from jobs.models import Run
from portal.page_checks import unscoped_pages
from tests.canary import leaky_urls


def errors(**options):
    page = type("Page", (TenantAdmin,), options)(Run, admin.site)
    return {error.id for error in page.check()}


def test_a_bare_relation_in_the_filters_is_refused():
    assert "accounts.E001" in errors(list_filter=["job"])
    assert "accounts.E001" in errors(list_filter=["status", ("job", admin.RelatedFieldListFilter)])


def test_a_scoped_filter_and_a_plain_column_pass():
    assert errors(list_filter=["status", ("job", ScopedRelatedFilter)]) == set()


def test_editing_in_the_list_is_refused():
    assert "accounts.E002" in errors(list_display=["id", "priority"], list_editable=["priority"])


def test_the_tenant_as_a_form_field_is_refused():
    assert "accounts.E003" in errors(fields=["tenant", "job"])
    assert errors(fields=["tenant", "job"], readonly_fields=["tenant"]) == set()


def test_every_page_of_tenants_rows_is_scoped():
    assert unscoped_pages(admin.site) == []


def test_an_unscoped_page_is_found():
    assert [error.id for error in unscoped_pages(leaky_urls.site)] == ["portal.E010"]


@pytest.mark.parametrize(
    ("lookup", "allowed"),
    [
        ("status__exact", True),
        ("job__id__exact", True),
        ("job__params__contains", False),
        ("params__startswith", False),
    ],
)
def test_only_the_filters_own_lookups_are_allowed(lookup, allowed):
    page = type("Page", (TenantAdmin,), {"list_filter": ["status", ("job", ScopedRelatedFilter)]})(Run, admin.site)
    assert page.lookup_allowed(lookup, "1") is allowed
