"""Import and export over tenants' rows: an allow-list of fields, natural keys, and nothing foreign read or written."""

import zipfile
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.core import signing
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, reverse
from django.utils.translation import gettext as _
from import_export.formats.base_formats import CSV, JSON, XLSX
from import_export.forms import ConfirmImportForm, ImportForm
from import_export.resources import ModelResource, modelresource_factory
from import_export.widgets import ForeignKeyWidget

from accounts import audit
from accounts.admin_scope import allows, current_tenant, may_add, scoped_related, user_of
from accounts.permissions import visible_to
from accounts.scoping import has_tenant_field, of_tenants

MAX_BYTES = 2 * 1024 * 1024
MAX_UNPACKED_BYTES = 30 * 1024 * 1024
MAX_ROWS = 5000
NATURAL_KEYS = ("slug", "name", "username")
FORMATS = [CSV, XLSX, JSON]


def natural_key(model: type[Model]) -> str:
    """The field that names a row within its tenant: primary keys never cross an import or export."""
    names = {field.name for field in model._meta.concrete_fields}
    return next((name for name in NATURAL_KEYS if name in names), "pk")


class ScopedWidget(ForeignKeyWidget):  # type: ignore[misc]
    """Reads and writes a relation by its natural key, among the rows the importer may choose."""

    request: HttpRequest
    verb = "view"

    def get_queryset(self, value: Any, row: Any, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        tenant = current_tenant(self.request)
        tenant_id = tenant.pk if tenant else None
        return scoped_related(self.request, self.model, verb=self.verb, tenant_id=tenant_id)


class ScopedResource(ModelResource):  # type: ignore[misc]
    """Rows of the current tenant that the importer may change; a new row gets the current tenant."""

    request: ClassVar[HttpRequest]
    relation_verbs: ClassVar[dict[str, str]] = {}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        for name, field in self.fields.items():
            if isinstance(field.widget, ForeignKeyWidget):
                widget = ScopedWidget(field.widget.model, natural_key(field.widget.model))
                widget.request, widget.verb = self.request, self.relation_verbs.get(name, "view")
                field.widget = widget

    def get_queryset(self) -> QuerySet[Any]:
        rows = visible_to(user_of(self.request), super().get_queryset(), "change")
        tenant = current_tenant(self.request)
        return rows.filter(of_tenants(rows.model, [tenant.pk])) if tenant else rows.none()

    def init_instance(self, row: Any = None) -> Any:
        instance = super().init_instance(row)
        if has_tenant_field(type(instance)):
            instance.tenant = current_tenant(self.request)
        if hasattr(instance, "created_by_id"):
            instance.created_by = user_of(self.request)
        return instance

    def before_import(self, dataset: Any, **kwargs: Any) -> None:
        if len(dataset) > MAX_ROWS:
            raise ValueError(_("The file has more than %(most)d rows. Split it.") % {"most": MAX_ROWS})


class BoundedImportForm(ImportForm):  # type: ignore[misc]
    """Refuses a file that is too big before it is parsed, packed or unpacked."""

    def clean_import_file(self) -> Any:
        upload = self.cleaned_data["import_file"]
        if upload.size > MAX_BYTES or _unpacked_size(upload) > MAX_UNPACKED_BYTES:
            raise forms.ValidationError(_("The file is too big. Split it into files of at most 2 MB."))
        return upload


class SignedConfirmForm(ConfirmImportForm):  # type: ignore[misc]
    """The name of the uploaded file comes back signed: it opens this user's upload and no other file."""

    salt = ""

    def clean_import_file_name(self) -> str:
        try:
            return str(signing.loads(self.cleaned_data["import_file_name"], salt=self.salt, max_age=3600))
        except signing.BadSignature as error:
            raise forms.ValidationError(_("Upload the file again.")) from error


class ScopedImportExport:
    """Mixed into the base admin. Without `import_export_fields` there is neither import nor export."""

    import_export_fields: ClassVar[list[str]] = []
    formats: ClassVar[list[Any]] = FORMATS
    import_form_class = BoundedImportForm
    model: type[Model]
    admin_site: Any
    relation_verbs: ClassVar[dict[str, str]]

    def get_urls(self) -> list[URLPattern]:
        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        if self.import_export_fields:
            return urls
        return [url for url in urls if not str(url.name).endswith(("_export", "_import"))]

    def init_change_list_template(self) -> None:
        super().init_change_list_template()  # type: ignore[misc]
        if not self.import_export_fields:
            self.change_list_template = self.ie_base_change_list_template  # type: ignore[attr-defined]

    def has_import_permission(self, request: HttpRequest) -> bool:
        if not self.import_export_fields:
            return False
        return may_add(request, self.model) and allows(request, "change", self.model)

    def has_export_permission(self, request: HttpRequest) -> bool:
        return bool(self.import_export_fields) and allows(request, "view", self.model)

    def get_resource_classes(self, request: HttpRequest) -> list[type[ScopedResource]]:
        options = {
            "fields": list(self.import_export_fields),
            "import_id_fields": [natural_key(self.model)],
            "clean_model_instances": True,
            "skip_unchanged": True,
            "use_transactions": True,
            "use_bulk": False,
        }
        made = modelresource_factory(self.model, resource_class=ScopedResource, meta_options=options)
        made.request, made.relation_verbs = request, self.relation_verbs
        return [made]

    def import_action(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self._in_a_tenant(request) or super().import_action(request, **kwargs)  # type: ignore[misc]

    def process_import(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        return self._in_a_tenant(request) or super().process_import(request, **kwargs)  # type: ignore[misc]

    def _in_a_tenant(self, request: HttpRequest) -> HttpResponse | None:
        if current_tenant(request) is not None:
            return None
        messages.warning(request, _("Choose a tenant first: imported entries belong to the tenant you work in."))
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:index"))

    def get_confirm_form_class(self, request: HttpRequest) -> type[SignedConfirmForm]:
        return type("ConfirmForm", (SignedConfirmForm,), {"salt": self._salt(request)})

    def get_confirm_form_initial(self, request: HttpRequest, import_form: Any) -> dict[str, Any]:
        initial: dict[str, Any] = super().get_confirm_form_initial(request, import_form)  # type: ignore[misc]
        if "import_file_name" in initial:
            initial["import_file_name"] = signing.dumps(initial["import_file_name"], salt=self._salt(request))
        return initial

    def _salt(self, request: HttpRequest) -> str:
        tenant = current_tenant(request)
        return f"import:{self.model._meta.label}:{request.user.pk}:{tenant.pk if tenant else ''}"

    def get_export_data(self, file_format: Any, request: HttpRequest, queryset: Any, **kwargs: Any) -> Any:
        data = super().get_export_data(file_format, request, queryset, **kwargs)  # type: ignore[misc]
        details = {"model": self.model._meta.label_lower, "rows": queryset.count()}
        tenant = current_tenant(request)
        audit.record("accounts.export.made", actor=user_of(request), tenant=tenant, details=details)
        return data

    def get_valid_export_item_pks(self, request: HttpRequest) -> list[Any]:
        return list(self.get_queryset(request).values_list("pk", flat=True))  # type: ignore[attr-defined]


def _unpacked_size(upload: Any) -> int:
    if not zipfile.is_zipfile(upload):
        upload.seek(0)
        return 0
    with zipfile.ZipFile(upload) as packed:
        size = sum(entry.file_size for entry in packed.infolist())
    upload.seek(0)
    return size
