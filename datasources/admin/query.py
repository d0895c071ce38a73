"""The query console, and each person's own history of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from accounts.admin_base import ReadOnlyTenantAdmin, ScopedRelatedFilter
from accounts.admin_scope import allows, narrowed, user_of
from accounts.permissions import can
from datasources import console, scripts
from datasources.admin import console_page
from datasources.admin.console_form import ConsoleForm, SaveForm, guessed
from datasources.models import DataSource, QueryRecord, SqlScript
from portal.lib.fielderrors import FieldErrors


@admin.register(QueryRecord)
class QueryRecordAdmin(ReadOnlyTenantAdmin):
    list_display = ["line", "datasource", "mode", "state", "row_count", "elapsed_ms", "started_at", "again"]
    list_display_links = ["line"]
    list_filter = ["mode", "is_ok", ("datasource", ScopedRelatedFilter)]
    search_fields = ["text"]
    change_form_outer_before_template = "admin/datasources/console/_again.html"
    fieldsets = [
        (None, {"fields": ["datasource", "mode", "text", "values"]}),
        (gettext_lazy("What came of it"), {"fields": [
            "state", "problem", "row_count", "elapsed_ms", "started_at", "ended_at",
        ]}),
    ]  # fmt: skip
    readonly_fields = ["state"]

    # --- whose it is ------------------------------------------------------------------------------------------------

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may use a datasource has a console; a query is seen by who asked it."""
        if isinstance(obj, QueryRecord):
            return obj.user_id == user_of(request).pk
        return allows(request, "use", DataSource)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows = console_page.own_queries(request).select_related("datasource").order_by("-id")
        return rows if getattr(request, "portal_every_tenant", False) else narrowed(request, rows)

    # --- the list -----------------------------------------------------------------------------------------------------

    @display(description=gettext_lazy("SQL"))  # type: ignore[untyped-decorator]
    def line(self, obj: QueryRecord) -> str:
        return str(obj)

    @display(description=gettext_lazy("State"), ordering="is_ok")  # type: ignore[untyped-decorator]
    def state(self, obj: QueryRecord) -> SafeString:
        tone, icon, words = "bad", "cancel", _("Failed")
        if obj.ended_at is None:
            tone, icon, words = "plain", "help", _("Did not end")
        elif obj.is_ok:
            tone, icon, words = "good", "check_circle", _("OK")
        return format_html(
            '<span class="p-badge p-badge--{}" title="{}"><span class="material-symbols-outlined" aria-hidden="true">'
            "{}</span><span>{}</span></span>",
            tone,
            obj.problem,
            icon,
            words,
        )

    @display(description=gettext_lazy("Again"))  # type: ignore[untyped-decorator]
    def again(self, obj: QueryRecord) -> SafeString:
        url = f"{reverse('admin:datasources_queryrecord_console')}?query={obj.key}"
        return format_html('<a class="p-link" href="{}">{}</a>', url, _("Open in the console"))

    # --- the console --------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("console/", view(self.console_view), name="datasources_queryrecord_console"),
            path("console/stop/", view(self.stop_view), name="datasources_queryrecord_stop"),
            *super().get_urls(),
        ]

    def console_view(self, request: HttpRequest) -> HttpResponseBase:
        """GET `?query=<key>` brings back an own query; POST `mode`, `csv` or `save` does what its button says."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        posted = request.POST if request.method == "POST" else None
        form = ConsoleForm(posted, sources=console_page.usable(request), initial=self._initial(request))
        save = SaveForm(request.POST if "save" in request.POST else None)
        if "save" in request.POST:
            done = self._save(request, form, save)
            if done is not None:
                return done
        extra = {"title": _("Query console"), "save_form": save, "may_save": True}
        return console_page.respond(request, self, form, extra, is_asked="save" not in request.POST)

    def stop_view(self, request: HttpRequest) -> HttpResponse:
        """POST `key`: end one's own query."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            key = UUID(request.POST.get("key", ""))
        except ValueError:
            return JsonResponse({"stopped": False})
        return JsonResponse({"stopped": console.stop(key, user=user_of(request))})

    def _initial(self, request: HttpRequest) -> dict[str, Any]:
        record = console.remembered(user_of(request), request.GET.get("query", ""))
        if record is not None:
            return {"datasource": record.datasource_id, "sql": record.text, "values_json": record.values}
        chosen = request.GET.get("datasource", "")
        return {"datasource": int(chosen)} if chosen.isdecimal() and len(chosen) < 19 else {}

    def _save(self, request: HttpRequest, form: ConsoleForm, save: SaveForm) -> HttpResponse | None:
        """A script of the library made of the text; None with the reason at its field."""
        if not (form.is_valid() and save.is_valid()):
            return None
        source, name = form.cleaned_data["datasource"], save.cleaned_data["script_name"]
        script = SqlScript(tenant=source.tenant, name=name, slug=_free_slug(source.tenant_id, name))
        if not can(user_of(request), "add", script):
            save.add_error(None, _("You may not make scripts here: ask a tenant admin for the right."))
            return None
        try:
            draft = scripts.Draft(text=form.text(), parameters=guessed(form.values()), datasources=[])
            scripts.save_script(script, draft, actor=user_of(request))
        except FieldErrors as refused:
            for error in refused.errors:
                save.add_error("script_name" if error.path == "name" else None, error.message)
            return None
        messages.success(request, _("The SQL script “%(name)s” was made.") % {"name": script.name})
        return HttpResponseRedirect(reverse("admin:datasources_sqlscript_change", args=[script.pk]))


def _free_slug(tenant_id: int, name: str) -> str:
    """From the name where it has letters, and not taken."""
    slug = slugify(name)[:40] or f"script-{uuid4().hex[:8]}"
    taken = SqlScript.objects.filter(tenant_id=tenant_id, slug=slug).exists()
    return f"{slug}-{uuid4().hex[:6]}" if taken else slug
