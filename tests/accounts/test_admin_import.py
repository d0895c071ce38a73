"""Import and export of the base admin: they work, and they stay inside the tenant."""

import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts import admin_import
from accounts.models import AuditEntry
from datasources.models import DataSource
from tests.cast import make_cast, make_platform_admin

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.canary.generated_urls")]
BASE = "/admin/datasources/datasource/"
CSV = "0"


@pytest.fixture
def ours():
    return make_cast("acme")


@pytest.fixture
def theirs():
    return make_cast("other")


def source(cast, slug="shop", **fields):
    return DataSource.objects.create(tenant=cast.tenant, slug=slug, **{"name": slug, "kind": "sqlite", **fields})


def browser(user):
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


def upload(client, text, name="rows.csv"):
    file = SimpleUploadedFile(name, text.encode() if isinstance(text, str) else text)
    return client.post(f"{BASE}import/", {"format": CSV, "resource": "", "import_file": file})


def confirm(client, page):
    return client.post(f"{BASE}process_import/", page.context["confirm_form"].initial)


def test_rows_are_imported_into_the_current_tenant(ours):
    client = browser(ours.owner)
    answer = confirm(client, upload(client, "slug,name,kind\nnew,New,sqlite\n"))
    assert answer.status_code == 302
    made = DataSource.objects.get()
    assert (made.tenant, made.slug, made.created_by) == (ours.tenant, "new", ours.owner)


def test_the_same_slug_of_another_tenant_is_left_alone(ours, theirs):
    other = source(theirs, name="Theirs")
    client = browser(ours.owner)
    confirm(client, upload(client, f"id,slug,name,kind\n{other.pk},shop,Ours,sqlite\n"))
    other.refresh_from_db()
    assert other.name == "Theirs"
    assert DataSource.objects.get(tenant=ours.tenant).name == "Ours"


def test_an_own_row_is_updated_by_its_slug(ours):
    mine = source(ours, name="Before")
    client = browser(ours.owner)
    confirm(client, upload(client, "slug,name,kind\nshop,After,sqlite\n"))
    mine.refresh_from_db()
    assert mine.name == "After"


def test_a_viewer_neither_imports_nor_confirms(ours):
    client = browser(ours.viewer)
    assert client.get(f"{BASE}import/").status_code == 403
    assert client.post(f"{BASE}process_import/", {"format": CSV}).status_code == 403


def test_a_confirmation_opens_the_own_upload_only(ours):
    client, other = browser(ours.owner), browser(make_cast("third").owner)
    page = upload(other, "slug,name,kind\nx,X,sqlite\n")
    for name in ("/etc/passwd", page.context["confirm_form"].initial["import_file_name"]):
        values = {"import_file_name": name, "original_file_name": "x", "format": CSV, "resource": "0"}
        answer = client.post(f"{BASE}process_import/", values)
        assert answer.status_code == 200
        assert "Upload the file again" in str(answer.context["confirm_form"].errors)
    assert not DataSource.objects.exists()


def test_a_file_that_is_too_big_is_refused_with_a_sentence(ours, monkeypatch):
    monkeypatch.setattr(admin_import, "MAX_BYTES", 10)
    page = upload(browser(ours.owner), "slug,name,kind\nnew,New,sqlite\n")
    assert "too big" in str(page.context["form"].errors)


def test_an_unreadable_file_is_refused_with_a_sentence(ours):
    page = upload(browser(ours.owner), b"\x00\xff\xfe broken")
    assert page.status_code == 200
    assert not DataSource.objects.exists()


def test_a_platform_admin_chooses_a_tenant_first():
    answer = browser(make_platform_admin()).get(f"{BASE}import/")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")


def test_an_export_holds_own_rows_allowed_columns_and_no_formula(ours, theirs):
    source(ours, name="=1+1", password_encrypted="SEALED")
    source(theirs, name="Theirs")
    client = browser(ours.viewer)
    form = client.get(f"{BASE}export/").content.decode()
    chosen = dict.fromkeys(re.findall(r'name="(datasource_\w+|\w*resource_\w+)"', form), "on")
    answer = client.post(f"{BASE}export/", {"format": CSV, "resource": "0", **chosen})
    text = io.BytesIO(answer.content).read().decode()
    assert answer.headers["Content-Type"].startswith("text/csv"), text[:200]
    assert "shop" in text
    assert "Theirs" not in text
    assert "SEALED" not in text
    assert "=1+1" not in text
    assert AuditEntry.objects.get(verb="accounts.export.made").details["rows"] == 1
