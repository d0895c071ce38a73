"""Incoming webhooks: the job they start, what they take from the body, their secret (shown once), their calls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from accounts.admin_scope import user_of
from accounts.permissions import can
from alerts import hooks, look
from alerts.admin.base import ConfiguredAdmin
from alerts.models import HookCall, IncomingHook
from jobs import look as times
from jobs.admin.job_views import params_of
from portal.lib import crypto
from portal.lib.paramforms import JsonTextField

if TYPE_CHECKING:
    HookModelForm = forms.ModelForm[IncomingHook]
else:
    HookModelForm = forms.ModelForm

CALLS = 50


class IncomingHookForm(HookModelForm):
    param_map = JsonTextField(
        label=gettext_lazy("Parameters from the body"),
        required=False,
        is_pairs=True,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "data-params-json": "texts"}),
        help_text=gettext_lazy(
            "Parameter of the job and where it stands in the JSON body, "
            'such as {"day": "order.day", "id": "items.0.id"}.'
        ),
    )

    class Meta:
        model = IncomingHook
        fields = ["name", "job", "is_enabled"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        job, given = data.get("job"), data.get("param_map") or {}
        data["param_map"] = given
        if job is not None:
            self._check_job(job, given)
        if not self.instance.secret_encrypted:
            try:
                crypto.ensure_keys()
            except crypto.CryptoError as error:
                self.add_error(None, str(error))
        return data

    def _check_job(self, job: Any, given: dict[str, str]) -> None:
        """Who makes it must be able to run the job; each parameter is one of the job's, with a place."""
        actor = getattr(self, "portal_actor", None)
        if actor is not None and not can(actor, "run", job):
            self.add_error("job", _("You may not run this job, so a webhook of yours may not either."))
        known = {param.name for param in params_of(job)}
        for name, place in given.items():
            if name not in known:
                words = _("The job has no parameter “%(name)s”: it has %(names)s.")
                names = ", ".join(sorted(known)) or _("none")
                self.add_error("param_map", words % {"name": name[:60], "names": names})
            elif not place.strip():
                words = _("Say where “%(name)s” stands in the body, such as order.day.")
                self.add_error("param_map", words % {"name": name})


@admin.register(IncomingHook)
class IncomingHookAdmin(ConfiguredAdmin):
    """Written by `alerts.hooks` alone."""

    form = IncomingHookForm
    list_display = ["name", "job", "state", "called", "created_by"]
    list_filter = ["is_enabled"]
    list_select_related = ["job", "created_by"]
    search_fields = ["name"]
    autocomplete_fields = ["job"]
    relation_verbs = {"job": "run"}
    change_list_template = "jobs/live_list.html"  # type: ignore[misc]
    change_form_template = "admin/alerts/incominghook/change_form.html"  # type: ignore[misc]

    def get_fieldsets(self, request: HttpRequest, obj: IncomingHook | None = None) -> Any:
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        return [(None, {"fields": ["name", "job", *(["param_map"] if may else []), "is_enabled"]})]

    @display(description=gettext_lazy("State"), ordering="is_enabled")  # type: ignore[untyped-decorator]
    def state(self, obj: IncomingHook) -> SafeString:
        if obj.is_enabled:
            return look.badge("good", "check_circle", _("On"))
        return look.badge("plain", "pause_circle", _("Off"))

    @display(description=gettext_lazy("Last call"), ordering="last_call_at")  # type: ignore[untyped-decorator]
    def called(self, obj: IncomingHook) -> SafeString | str:
        return times.when(obj.last_call_at)

    # --- saving, and the secret -----------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: IncomingHook, form: Any, change: bool) -> None:
        request.portal_hook_secret = hooks.save_hook(obj, actor=user_of(request))  # type: ignore[attr-defined]

    def response_add(self, request: HttpRequest, obj: IncomingHook, post_url_continue: str | None = None) -> Any:
        """The secret is in this answer and nowhere else: no redirect could carry it without keeping it."""
        return self._secret_page(request, obj, getattr(request, "portal_hook_secret", ""))

    def renew_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """POST: a new secret, shown once."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        obj = self.get_object(request, unquote(object_id))
        if not self.has_change_permission(request, obj):
            raise PermissionDenied
        secret = hooks.renew_secret(obj, actor=user_of(request))
        messages.success(request, _("The old secret is worth nothing from now on."))
        return self._secret_page(request, obj, secret)

    def _secret_page(self, request: HttpRequest, obj: IncomingHook, secret: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("The secret of “%(name)s”") % {"name": obj.name},
            "hook": obj,
            "secret": secret,
            "address": _address(request, obj),
        }
        answer = TemplateResponse(request, "admin/alerts/incominghook/secret.html", context)
        answer["Cache-Control"] = "no-store"
        return answer

    # --- pages ------------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.renew_view)
        renew = path("<path:object_id>/renew-secret/", view, name="alerts_incominghook_renew")
        return [self._guarded(renew), *super().get_urls()]

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id)) if object_id else None
        extra: dict[str, Any] = {"hook": obj, **(extra_context or {})}
        if obj is not None:
            extra |= {
                "address": _address(request, obj),
                "may_change": self.has_change_permission(request, obj),
                "calls": [(_call_badge(call), call) for call in obj.calls.order_by("-id")[:CALLS]],
                "example_body": _example(obj),
            }
        return super().changeform_view(request, object_id, form_url, extra)


def _address(request: HttpRequest, obj: IncomingHook) -> str:
    return request.build_absolute_uri(reverse("hook_call", args=[obj.key]))


def _call_badge(call: HookCall) -> SafeString:
    if call.is_accepted:
        return look.badge("good", "check_circle", _("Accepted"))
    return look.badge("bad", "block", _("Refused"))


def _example(obj: IncomingHook) -> str:
    """A body in which the map finds its parameters: {"day": "order.day"} → {"order": {"day": "…"}}."""
    body: Any = {}
    for place in obj.param_map.values():
        body = _with(body, place.split("."))
    return json.dumps(body, ensure_ascii=False)


def _with(content: Any, parts: list[str]) -> Any:
    """The content with something at that place; a number is a place in a list."""
    if not parts:
        return "…"
    first, *rest = parts
    if first.isdecimal() and content in ({}, None):
        return [_with(None, rest)]
    if isinstance(content, list):
        return [_with(content[0] if content else None, rest), *content[1:]]
    found = dict(content) if isinstance(content, dict) else {}
    return {**found, first: _with(found.get(first), rest)}
