"""Datasources: the list with its state, the form with the chosen driver's fields, *Test connection*."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import action, display

from accounts.admin_base import TenantAdmin
from accounts.admin_scope import user_of
from datasources import connections, engines, powers, scripts
from datasources.admin.forms import DataSourceForm, driver_fields
from datasources.drivers import DRIVERS
from datasources.models import DataSource

MOST_TESTS = 20  # in one go: each may take some seconds
IDENTITY = ["name", "slug", "description", "kind"]
USE = ["is_active", "is_read_only", "max_affected_rows"]


@admin.register(DataSource)
class DataSourceAdmin(TenantAdmin):
    form = DataSourceForm
    list_display = ["name", "slug", "kind_label", "points_at", "state", "is_read_only", "is_active", "test_button"]
    list_filter = ["kind", "is_active", "is_read_only", "test_ok"]
    search_fields = ["name", "slug"]
    readonly_fields = ["kind_label", "points_at", "state"]
    change_form_outer_before_template = "admin/datasources/datasource/test_panel.html"
    actions = ["test_chosen"]
    actions_submit_line = ["save_and_test"]

    # --- what is shown --------------------------------------------------------------------------------------------

    def get_fieldsets(self, request: HttpRequest, obj: DataSource | None = None) -> Any:
        """Whoever may change it gets a block per driver; others see where it points."""
        may_edit = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        if not may_edit:
            return [(None, {"fields": ["name", "slug", "description", "kind_label", "points_at", "state", *USE]})]
        blocks = [
            (driver.label, {"fields": driver_fields(driver), "classes": [f"kind-fields-{driver.kind}"]})
            for driver in DRIVERS
        ]
        secret = [f"kind-fields-{driver.kind}" for driver in DRIVERS if driver.has_password]
        return [
            (None, {"fields": IDENTITY}),
            *blocks,
            (_("Log-in"), {"fields": ["password"], "classes": secret}),
            (_("Use"), {"fields": USE}),
        ]

    def get_list_display(self, request: HttpRequest) -> Any:
        """The button only for somebody who may use a datasource."""
        return self.list_display if self._may_test(request, None) else self.list_display[:-1]

    def get_prepopulated_fields(self, request: HttpRequest, obj: DataSource | None = None) -> Any:
        return {"slug": ["name"]} if obj is None and self.has_add_permission(request) else {}

    @display(description=gettext_lazy("Kind"), ordering="kind")  # type: ignore[untyped-decorator]
    def kind_label(self, obj: DataSource) -> Any:
        labels = {driver.kind: driver.label for driver in DRIVERS}
        return labels.get(obj.kind, obj.kind)

    @display(description=gettext_lazy("Where"))  # type: ignore[untyped-decorator]
    def points_at(self, obj: DataSource) -> str:
        return connections.where_of(obj)

    @display(description=gettext_lazy("State"), ordering="test_ok")  # type: ignore[untyped-decorator]
    def state(self, obj: DataSource) -> SafeString:
        """A pill with an icon and words: colour is never the only sign."""
        tone, icon, words = _state_of(obj)
        return format_html(
            '<span class="p-badge p-badge--{}" title="{}">'
            '<span class="material-symbols-outlined" aria-hidden="true">{}</span><span>{}</span></span>',
            tone,
            obj.test_message,
            icon,
            words,
        )

    @display(description=gettext_lazy("Test"))  # type: ignore[untyped-decorator]
    def test_button(self, obj: DataSource) -> SafeString:
        """A button of the list's own form, so that it is a POST with the list's CSRF token."""
        return format_html(
            '<button type="submit" formmethod="post" formaction="{}" formnovalidate '
            'class="cursor-pointer font-medium text-primary-600 whitespace-nowrap dark:text-primary-500">{}</button>',
            f"{reverse('admin:datasources_datasource_test', args=[obj.pk])}?to=list",
            _("Test connection"),
        )

    # --- saving and deleting ----------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: DataSource, form: Any, change: bool) -> None:
        password = form.cleaned_data.get("password", "")
        connections.save_datasource(obj, actor=user_of(request), params=form.cleaned_params, password=password)
        if "save_and_test" in request.POST:
            self._test_and_tell(request, obj)

    def delete_model(self, request: HttpRequest, obj: DataSource) -> None:
        engines.forget(str(obj.key))
        super().delete_model(request, obj)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """A script that may run there only would run anywhere afterwards, so it is unlinked by a person first."""
        rows = list(objs)
        names, counts, refused, protected = super().get_deleted_objects(rows, request)
        bound = scripts.bound_to(rows).count()
        words = ngettext(
            "%(n)d SQL script that may run only there: link it to another datasource, or to none, first.",
            "%(n)d SQL scripts that may run only there: link them to another datasource, or to none, first.",
            bound,
        )
        return names, counts, refused, [*protected, *([words % {"n": bound}] if bound else [])]

    # --- testing ----------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.test_view)
        name = "datasources_datasource_test"
        return [self._guarded(path("<path:object_id>/test/", view, name=name)), *super().get_urls()]

    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """POST: test the saved definition, say the result, go back."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        obj = self.get_object(request, object_id)
        if obj is None:
            raise Http404
        if not self._may_test(request, obj):
            raise PermissionDenied
        self._test_and_tell(request, obj)
        if request.GET.get("to") == "list":
            return HttpResponseRedirect(reverse("admin:datasources_datasource_changelist"))
        return HttpResponseRedirect(reverse("admin:datasources_datasource_change", args=[obj.pk]))

    @action(description=gettext_lazy("Save and test connection"), permissions=["change"])  # type: ignore[untyped-decorator]
    def save_and_test(self, request: HttpRequest, obj: DataSource) -> None:
        """The button's name; `save_model` does it, after the service has saved."""

    @admin.action(description=gettext_lazy("Test the chosen connections"), permissions=["use"])
    def test_chosen(self, request: HttpRequest, queryset: QuerySet[DataSource]) -> None:
        allowed = self.permitted(request, "use", queryset)
        chosen = list(allowed.select_related("tenant")[: MOST_TESTS + 1])
        for obj in chosen[:MOST_TESTS]:
            self._test_and_tell(request, obj)
        if len(chosen) > MOST_TESTS:
            words = _("Only the first %(count)d were tested: choose fewer at a time.")
            messages.warning(request, words % {"count": MOST_TESTS})
        if not chosen:
            messages.warning(request, _("You may not use any of the chosen datasources."))

    def _may_test(self, request: HttpRequest, obj: DataSource | None) -> bool:
        return self.has_use_permission(request, obj) or self.has_change_permission(request, obj)

    def _test_and_tell(self, request: HttpRequest, obj: DataSource) -> None:
        result = connections.test_connection(obj, user_of(request))
        say = messages.success if result.ok else messages.error
        say(request, f"{obj.name}: {result.sentence}")
        for warning in result.warnings:
            messages.warning(request, f"{obj.name}: {warning}")

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, object_id) if object_id else None
        may_test = bool(obj and self._may_test(request, obj))
        extra = {
            "may_test": may_test,
            "may_use": bool(obj and obj.is_active and self.has_use_permission(request, obj)),
            "test_state": self.state(obj) if obj else "",
            "powers": _powers_of(obj) if obj and may_test else [],
            "least_privilege": connections.least_privilege_of(obj) if obj and may_test else "",
            **(extra_context or {}),
        }
        answer: HttpResponse = super().changeform_view(request, object_id, form_url, extra)
        return answer


def _powers_of(obj: DataSource) -> list[dict[str, str]]:
    """What its role may do, the worst first, each with a tone, an icon and what to do."""
    found = []
    for held in connections.report_of(obj).held:
        is_warning = held.is_warning(read_only=obj.is_read_only)
        tone, icon = ("warn", "warning") if is_warning else ("plain", "info")
        words, what = powers.sentence(held), powers.advice(held, read_only=obj.is_read_only)
        found.append({"tone": tone, "icon": icon, "sentence": words, "advice": what})
    return found


def _state_of(obj: DataSource) -> tuple[str, str, str]:
    if obj.tested_at is None or obj.test_ok is None:
        return "plain", "help", _("Never tested")
    if obj.test_ok:
        return "good", "check_circle", _("OK")
    since = obj.failing_since or obj.tested_at
    words = _("Failing since %(time)s") % {"time": date_format(localtime(since), "SHORT_DATETIME_FORMAT")}
    return "bad", "cancel", words
