"""Silences: the list with what is in force, the form with a look at what it fits, and "end now"."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from pydantic import ValidationError
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import display

from accounts.admin_scope import current_tenant, user_of
from accounts.models import Tenant
from alerts import look, silences
from alerts.admin import concerns
from alerts.admin.base import ConfiguredAdmin
from alerts.models import Silence
from alerts.routing import Selector
from alerts.shelf import selector_of
from alerts.silences import SilenceState
from jobs import look as times
from portal.lib.fielderrors import field_errors
from portal.lib.paramforms import LinesField

if TYPE_CHECKING:
    SilenceModelForm = forms.ModelForm[Silence]
else:
    SilenceModelForm = forms.ModelForm

LONGEST = timedelta(days=366)
TONES = {
    SilenceState.PLANNED: ("info", "event"),
    SilenceState.ACTIVE: ("live", "notifications_off"),
    SilenceState.ENDED: ("plain", "check"),
}


class SilenceForm(concerns.SelectorFields, SilenceModelForm):
    class Meta:
        model = Silence
        fields = ["reason", "starts_at", "ends_at"]
        help_texts = {"reason": gettext_lazy("Everybody who wonders why nothing is told reads it.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "selector_jobs" not in self.fields:
            return  # somebody who may only look
        zone = times.zone_label(timezone.get_current_timezone())
        for name in {"starts_at", "ends_at"} & self.fields.keys():
            self.fields[name].help_text = _("In the time zone %(zone)s.") % {"zone": zone}
        row: Silence = self.instance
        concerns.fill(self, row.selector)
        if row.pk is None:
            now = timezone.now().replace(second=0, microsecond=0)
            self.initial.setdefault("starts_at", now)
            self.initial.setdefault("ends_at", now + timedelta(hours=2))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        self.instance.selector = concerns.read(self)
        starts, ends = data.get("starts_at"), data.get("ends_at")
        if starts and ends and ends <= starts:
            self.add_error("ends_at", _("The end must come after the beginning."))
        elif starts and ends and ends - starts > LONGEST:
            self.add_error("ends_at", _("A silence lasts a year at most: switch rules off that nobody needs."))
        return data


class InForceFilter(DropdownFilter):  # type: ignore[misc]
    title = gettext_lazy("state")
    parameter_name = "now"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return list(SilenceState.choices)

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        now, value = timezone.now(), self.value()
        alive = queryset.filter(ends_at__gt=now, ended_at=None)
        if value == SilenceState.ENDED:
            return queryset.exclude(pk__in=alive.order_by().values("pk"))
        if value == SilenceState.PLANNED:
            return alive.filter(starts_at__gt=now)
        return alive.filter(starts_at__lte=now) if value == SilenceState.ACTIVE else queryset


@admin.register(Silence)
class SilenceAdmin(ConfiguredAdmin):
    """One that has ended is history."""

    form = SilenceForm
    list_display = ["reason", "state", "of_what", "from_at", "until_at", "created_by"]
    list_filter = [InForceFilter]
    list_filter_submit = False
    list_select_related = ["created_by"]
    search_fields = ["reason"]
    ordering = ["-starts_at", "-id"]
    change_form_template = "admin/alerts/silence/change_form.html"  # type: ignore[misc]

    def get_fieldsets(self, request: HttpRequest, obj: Silence | None = None) -> Any:
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        selector = [(_("Of what"), {"fields": concerns.FIELDS})] if may else []
        return [(None, {"fields": ["reason", "starts_at", "ends_at"]}), *selector]

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if isinstance(obj, Silence) and silences.state_of(obj, timezone.now()) == SilenceState.ENDED:
            return False
        return bool(super().has_change_permission(request, obj))

    # --- what is shown --------------------------------------------------------------------------------------------

    @display(description=gettext_lazy("State"))  # type: ignore[untyped-decorator]
    def state(self, obj: Silence) -> SafeString:
        found = silences.state_of(obj, timezone.now())
        return look.badge(*TONES[found], found.label)

    @display(description=gettext_lazy("Of what"))  # type: ignore[untyped-decorator]
    def of_what(self, obj: Silence) -> str:
        return concerns.in_words(obj.selector)

    @display(description=gettext_lazy("From"), ordering="starts_at")  # type: ignore[untyped-decorator]
    def from_at(self, obj: Silence) -> str:
        return times.absolute(obj.starts_at)

    @display(description=gettext_lazy("Until"), ordering="ends_at")  # type: ignore[untyped-decorator]
    def until_at(self, obj: Silence) -> str:
        return times.absolute(silences.over_at(obj))

    # --- pages ------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        end = path("<path:object_id>/end/", site.admin_view(self.end_view), name="alerts_silence_end")
        fits = path("fits/", site.admin_view(self.fits_view), name="alerts_silence_fits")
        return [fits, self._guarded(end), *super().get_urls()]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id)) if object_id else None
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        extra: dict[str, Any] = {"silence": obj, "may_change": may, **(extra_context or {})}
        if obj is not None:
            selector = selector_of(obj.selector) or Selector(jobs=("-",))  # one that can't be used fits nothing
            found = silences.fitting(selector, tenant=obj.tenant, user=user_of(request))
            extra |= {"state_badge": self.state(obj), "of_what": self.of_what(obj), "fits": sentence_of(found)}
            extra["may_end"] = may  # what has ended nobody may change
        return super().changeform_view(request, object_id, form_url, extra)

    def end_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """POST: it is over now."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        obj = self.get_object(request, unquote(object_id))
        done = silences.end_silence(obj, actor=user_of(request))
        words = _("The silence has ended: people are told again.") if done else _("The silence was over already.")
        messages.success(request, words)
        return HttpResponseRedirect(reverse("admin:alerts_silence_changelist"))

    def fits_view(self, request: HttpRequest) -> HttpResponse:
        """POST the selector's fields: what they fit now, in words."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        tenant = self._tenant_of(request)
        if tenant is None or not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        given: dict[str, Any] = {name: request.POST.getlist(f"selector_{name}")[:500] for name in concerns.NAMES}
        given["labels"] = LinesField(required=False).to_python(request.POST.get("selector_labels", "")[:20_000])
        try:
            selector = Selector.model_validate(given)
        except ValidationError as error:
            return _answer({"ok": False, "error": " ".join(one.message for one in field_errors(error))})
        found = silences.fitting(selector, tenant=tenant, user=user_of(request))
        return _answer({"ok": True, "text": sentence_of(found), "jobs": found.jobs, "rules": found.rules})

    def _tenant_of(self, request: HttpRequest) -> Tenant | None:
        """Of the silence that is edited, or the current one."""
        text = request.POST.get("object_id", "")
        if text.isdecimal():
            obj: Silence = self.get_object(request, text)
            return obj.tenant
        return current_tenant(request)


def sentence_of(found: silences.Fit) -> str:
    """Fits 3 jobs and 1 alert rule now."""
    jobs = ngettext("%(n)d job", "%(n)d jobs", found.job_count) % {"n": found.job_count}
    rules = ngettext("%(n)d alert rule", "%(n)d alert rules", found.rule_count) % {"n": found.rule_count}
    return _("It fits %(jobs)s and %(rules)s now.") % {"jobs": jobs, "rules": rules}


def _answer(content: dict[str, Any]) -> JsonResponse:
    return JsonResponse(content, headers={"Cache-Control": "no-store"}, json_dumps_params={"ensure_ascii": False})
