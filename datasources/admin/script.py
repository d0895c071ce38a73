"""The library of SQL scripts: list, form, versions with their differences, restore."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts.admin_base import ScopedRelatedFilter, TenantAdmin
from accounts.admin_scope import user_of
from accounts.permissions import visible_to
from datasources import scripts
from datasources.admin import console_page
from datasources.admin.console_form import RunOnceForm
from datasources.admin.script_form import SqlScriptForm
from datasources.models import DataSource, SqlScript, SqlScriptVersion
from portal.lib.fielderrors import FieldErrors
from portal.lib.textdiff import unified

MOST_VERSIONS = 100
CHANGE = "admin:datasources_sqlscript_change"


@admin.register(SqlScript)
class SqlScriptAdmin(TenantAdmin):
    form = SqlScriptForm
    list_display = ["name", "slug", "version", "where", "updated_at", "created_by"]
    list_filter = [("datasources", ScopedRelatedFilter)]
    list_select_related = ["current", "created_by"]
    search_fields = ["name", "slug", "description"]
    readonly_fields = ["version", "where", "shown_text", "shown_parameters"]
    change_form_template = "admin/datasources/sqlscript/change_form.html"  # type: ignore[misc]

    # --- what is shown --------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("datasources")

    def get_fieldsets(self, request: HttpRequest, obj: SqlScript | None = None) -> Any:
        may_edit = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        what = ["name", "slug", "description"]
        if not may_edit:
            return [(None, {"fields": [*what, "where", "version", "shown_text", "shown_parameters"]})]
        return [
            (None, {"fields": [*what, "datasources"]}),
            (_("Text"), {"fields": ["text", "parameters", "note"]}),
        ]

    def get_prepopulated_fields(self, request: HttpRequest, obj: SqlScript | None = None) -> Any:
        return {"slug": ["name"]} if obj is None and self.has_add_permission(request) else {}

    @display(description=gettext_lazy("Version"))  # type: ignore[untyped-decorator]
    def version(self, obj: SqlScript) -> str:
        return f"#{obj.current.number}" if obj.current else "–"

    @display(description=gettext_lazy("May run on"))  # type: ignore[untyped-decorator]
    def where(self, obj: SqlScript) -> str:
        return ", ".join(str(each) for each in obj.datasources.all()) or _("any datasource")

    @display(description=gettext_lazy("SQL"))  # type: ignore[untyped-decorator]
    def shown_text(self, obj: SqlScript) -> SafeString | str:
        return format_html('<pre class="p-pre">{}</pre>', obj.current.text) if obj.current else "–"

    @display(description=gettext_lazy("Parameters"))  # type: ignore[untyped-decorator]
    def shown_parameters(self, obj: SqlScript) -> SafeString | str:
        parameters = obj.current.parameters if obj.current else []
        if not parameters:
            return "–"
        return format_html('<pre class="p-pre">{}</pre>', json.dumps(parameters, ensure_ascii=False, indent=2))

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id)) if object_id else None
        extra = {"may_run": bool(obj and self.has_use_permission(request, obj)), **(extra_context or {})}
        answer: HttpResponse = super().changeform_view(request, object_id, form_url, extra)
        return answer

    # --- saving and deleting ----------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: SqlScript, form: Any, change: bool) -> None:
        if scripts.save_script(obj, form.draft(), actor=user_of(request)) and change and obj.current:
            messages.info(request, _("This is version %(number)d.") % {"number": obj.current.number})

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id))
        words = scripts.in_use(obj, viewer=user_of(request)) if self.has_delete_permission(request, obj) else ""
        if words:
            messages.error(request, words)
            return HttpResponseRedirect(reverse(CHANGE, args=[obj.pk]))
        answer: HttpResponse = super().delete_view(request, object_id, extra_context)
        return answer

    def delete_model(self, request: HttpRequest, obj: SqlScript) -> None:
        scripts.delete_script(obj, actor=user_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SqlScript]) -> None:
        for obj in queryset:
            self.delete_model(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """What is in use protects itself, with a sentence for each."""
        rows = list(objs)
        names, counts, refused, protected = super().get_deleted_objects(rows, request)
        found = [(row, scripts.in_use(row, viewer=user_of(request))) for row in rows]
        return names, counts, refused, [*protected, *(f"{row}: {words}" for row, words in found if words)]

    # --- versions ---------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view, name = self.admin_site.admin_view, "datasources_sqlscript"
        own = [
            path("<path:object_id>/versions/", view(self.versions_view), name=f"{name}_versions"),
            path("<path:object_id>/run/", view(self.run_view), name=f"{name}_run"),
            path("<path:object_id>/restore/", view(self.restore_view), name=f"{name}_restore"),
        ]
        return [*(self._guarded(pattern) for pattern in own), *super().get_urls()]

    def run_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """The current version (or `?version=n`), once, on a datasource it may run on: under the console's rules."""
        script = self._seen(request, object_id)
        if not self.has_use_permission(request, script):
            raise PermissionDenied
        wanted = request.GET.get("version", "")
        version = _chosen(list(script.versions.all()), wanted) if wanted else script.current
        if version is None:
            raise Http404(_("There is no such version."))
        posted = request.POST if request.method == "POST" else None
        form = RunOnceForm(posted, version=version, sources=self._places(request, version))
        title = _("Run once now")
        extra = {"title": title, "script": script, "version": version, "original": script}
        return console_page.respond(request, self, form, extra)

    def _places(self, request: HttpRequest, version: SqlScriptVersion) -> QuerySet[DataSource]:
        """Datasources of the script's tenant that the user may use and nothing speaks against."""
        rows = visible_to(user_of(request), DataSource.objects.filter(is_active=True), "use")
        rows = rows.filter(tenant_id=version.tenant_id).select_related("tenant").order_by("name", "id")
        fit = [row.pk for row in rows if not scripts.refusal(version, row, user=user_of(request))]
        return rows.filter(pk__in=fit)

    def versions_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Every version, and the difference between two: `?old=1&new=3`."""
        script = self._seen(request, object_id)
        found = list(script.versions.select_related("author")[:MOST_VERSIONS])
        new = _chosen(found, request.GET.get("new")) or (found[0] if found else None)
        older = [each for each in found if new is not None and each.number < new.number]
        old = _chosen(found, request.GET.get("old")) or (older[0] if older else None)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Versions"),
            "script": script,
            "original": script,
            "versions": found,
            "old": old,
            "new": new,
            "diff": difference(old, new) if old and new and old != new else [],
            "may_restore": self.has_change_permission(request, script),
        }
        return TemplateResponse(request, "admin/datasources/sqlscript/versions.html", context)

    def restore_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """POST `number`: its text becomes the newest version."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        script = self._seen(request, object_id)
        if not self.has_change_permission(request, script):
            raise PermissionDenied
        version = _chosen(list(script.versions.all()), request.POST.get("number"))
        if version is None:
            raise Http404(_("There is no such version."))
        try:
            is_new = scripts.restore_version(script, version, actor=user_of(request))
        except FieldErrors as refused:
            messages.error(request, " ".join(error.message for error in refused.errors))
        else:
            words = (
                _("Version %(number)d is in force again.") if is_new else _("Version %(number)d is in force already.")
            )
            messages.success(request, words % {"number": version.number})
        return HttpResponseRedirect(reverse("admin:datasources_sqlscript_versions", args=[script.pk]))

    def _seen(self, request: HttpRequest, object_id: str) -> SqlScript:
        script: SqlScript = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, script):
            raise PermissionDenied
        return script


def difference(old: SqlScriptVersion, new: SqlScriptVersion) -> list[tuple[str, str]]:
    return unified(_lines(old), _lines(new), (f"#{old.number}", f"#{new.number}"))


def _lines(version: SqlScriptVersion) -> list[str]:
    parameters = json.dumps(version.parameters, ensure_ascii=False, indent=2) if version.parameters else ""
    return [*version.text.splitlines(), *(["", *parameters.splitlines()] if parameters else [])]


def _chosen(found: list[SqlScriptVersion], text: str | None) -> SqlScriptVersion | None:
    return next((each for each in found if str(each.number) == text), None)
