"""Channels: the list with how well each works, the form with the chosen kind's fields, *Test*, the last deliveries."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import DropdownFilter
from unfold.decorators import action, display

from accounts.admin_scope import user_of
from accounts.permissions import visible_to
from alerts import channels, channelsettings
from alerts.admin import channel_look
from alerts.admin.base import ConfiguredAdmin
from alerts.admin.channel_form import ChannelForm, fieldsets
from alerts.incident_look import message_badge
from alerts.models import Channel, Notification
from alerts.transports import TRANSPORTS

DELIVERIES = 30


class HealthFilter(DropdownFilter):  # type: ignore[misc]
    title = gettext_lazy("state")
    parameter_name = "health"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("fails", _("Fails")), ("unproven", _("Never proven")), ("works", _("Works")), ("off", _("Off"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Channel]) -> QuerySet[Channel]:
        wanted: dict[str, dict[str, Any]] = {
            "fails": {"is_active": True, "failing_since__isnull": False},
            "unproven": {"is_active": True, "failing_since": None, "proven_at": None},
            "works": {"is_active": True, "failing_since": None, "proven_at__isnull": False},
            "off": {"is_active": False},
        }
        return queryset.filter(**wanted.get(self.value() or "", {}))


class KindFilter(DropdownFilter):  # type: ignore[misc]
    title = gettext_lazy("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(each.kind, each.label) for each in TRANSPORTS]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Channel]) -> QuerySet[Channel]:
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Channel)
class ChannelAdmin(ConfiguredAdmin):
    """Written by `alerts.channelsettings` alone."""

    form = ChannelForm
    list_display = ["title", "health", "proven", "failing", "takes_over", "test_button"]
    list_filter = [HealthFilter, KindFilter]
    list_filter_submit = False
    list_select_related = ["fallback"]
    list_display_links = None
    search_fields = ["name", "slug", "description"]
    ordering = ["name", "id"]
    actions_submit_line = ["save_and_test"]
    readonly_fields = ["kind_label"]
    change_list_template = "jobs/live_list.html"  # type: ignore[misc]
    change_form_template = "admin/alerts/channel/change_form.html"  # type: ignore[misc]

    def get_fieldsets(self, request: HttpRequest, obj: Channel | None = None) -> Any:
        """Where it sends to is for who may change it."""
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        if may:
            return fieldsets()
        return [(None, {"fields": ["name", "slug", "description", "kind_label", "fallback", "is_active"]})]

    def get_list_display(self, request: HttpRequest) -> Any:
        return self.list_display if self._may_test(request, None) else self.list_display[:-1]

    # --- what is shown ------------------------------------------------------------------------------------------------

    @display(description=gettext_lazy("channel"), ordering="name")  # type: ignore[untyped-decorator]
    def title(self, obj: Channel) -> SafeString:
        return format_html(
            '<span class="p-cell{}"><a class="p-strong p-break" href="{}">{}</a><small>'
            '<span class="material-symbols-outlined" style="font-size:14px;vertical-align:-2px" aria-hidden="true">{}'
            "</span> {}</small></span>",
            "" if obj.is_active else " p-off",
            reverse("admin:alerts_channel_change", args=[obj.pk]),
            obj.name,
            channel_look.kind_icon(obj),
            channel_look.kind_label(obj),
        )

    @display(description=gettext_lazy("Kind"), ordering="kind")  # type: ignore[untyped-decorator]
    def kind_label(self, obj: Channel) -> Any:
        return channel_look.kind_label(obj)

    @display(description=gettext_lazy("state"))  # type: ignore[untyped-decorator]
    def health(self, obj: Channel) -> SafeString:
        return channel_look.health(obj)

    @display(description=gettext_lazy("last proven delivery"), ordering="proven_at")  # type: ignore[untyped-decorator]
    def proven(self, obj: Channel) -> SafeString | str:
        return channel_look.proven(obj)

    @display(description=gettext_lazy("failing since"), ordering="failing_since")  # type: ignore[untyped-decorator]
    def failing(self, obj: Channel) -> SafeString | str:
        return channel_look.failing(obj)

    @display(description=gettext_lazy("when it fails"))  # type: ignore[untyped-decorator]
    def takes_over(self, obj: Channel) -> str:
        return obj.fallback.name if obj.fallback else "–"

    @display(description=gettext_lazy("Test"))  # type: ignore[untyped-decorator]
    def test_button(self, obj: Channel) -> SafeString:
        """A button of the list's own form, so that it is a POST with the list's CSRF token."""
        return format_html(
            '<button type="submit" formmethod="post" formaction="{}" formnovalidate '
            'class="cursor-pointer font-medium text-primary-600 whitespace-nowrap dark:text-primary-500">{}</button>',
            f"{reverse('admin:alerts_channel_test', args=[obj.pk])}?to=list",
            _("Test"),
        )

    # --- saving and deleting --------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        forgets = bool(form.cleaned_data.get("forget_secrets"))
        channelsettings.save_channel(
            obj,
            actor=user_of(request),
            params=form.cleaned_params,
            secrets=form.cleaned_secrets,
            forgets=forgets,
        )
        if "save_and_test" in request.POST:
            transaction.on_commit(lambda: self._test_and_tell(request, obj))

    @action(description=gettext_lazy("Save and test"), permissions=["change"])  # type: ignore[untyped-decorator]
    def save_and_test(self, request: HttpRequest, obj: Channel) -> None:
        """The button's name; `save_model` does it, after the row is saved."""

    def delete_model(self, request: HttpRequest, obj: Channel) -> None:
        channelsettings.delete_channel(obj, actor=user_of(request))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        with transaction.atomic():
            for obj in queryset:
                channelsettings.delete_channel(obj, actor=user_of(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """What uses it stands in the way, by name: taken out there first, so that nobody goes untold unseen."""
        names, counts, refused, protected = super().get_deleted_objects(objs, request)
        chosen = {obj.pk for obj in objs}
        for obj in objs:
            protected = [*protected, *_users_of(request, obj, chosen)]
        return names, counts, refused, protected

    # --- testing --------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.test_view)
        return [self._guarded(path("<path:object_id>/test/", view, name="alerts_channel_test")), *super().get_urls()]

    def test_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """POST: send a test message through the saved channel, say what came back."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        obj = self.get_object(request, unquote(object_id))
        if not self._may_test(request, obj):
            raise PermissionDenied
        self._test_and_tell(request, obj)
        if request.GET.get("to") == "list":
            return HttpResponseRedirect(reverse("admin:alerts_channel_changelist"))
        return HttpResponseRedirect(reverse("admin:alerts_channel_change", args=[obj.pk]))

    def _may_test(self, request: HttpRequest, obj: Channel | None) -> bool:
        return bool(self.has_change_permission(request, obj))

    def _test_and_tell(self, request: HttpRequest, obj: Channel) -> None:
        result = channels.test(obj, actor=user_of(request))
        say = messages.success if result.ok else messages.error
        say(request, f"{obj.name}: {result.sentence}")

    # --- the page -----------------------------------------------------------------------------------------------------

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id)) if object_id else None
        extra: dict[str, Any] = {"channel": obj, **(extra_context or {})}
        if obj is not None:
            rows = visible_to(user_of(request), Notification.objects.filter(channel=obj))
            extra |= {
                "health": channel_look.health(obj),
                "problem": channel_look.problem(obj),
                "may_test": self._may_test(request, obj),
                "deliveries": [(message_badge(row.status), row) for row in rows.order_by("-id")[:DELIVERIES]],
                "users": _users_of(request, obj, set()),
            }
        return super().changeform_view(request, object_id, form_url, extra)


def _users_of(request: HttpRequest, obj: Channel, besides: set[int]) -> list[str]:
    """What needs the channel, by name; `besides` are channels that go with it."""
    user = user_of(request)
    rules = visible_to(user, channelsettings.rules_using(obj))
    steps = visible_to(user, channelsettings.steps_using(obj))
    others = visible_to(user, channelsettings.channels_relying_on(obj)).exclude(pk__in=besides)
    return [
        *(_("Notification rule “%(name)s”") % {"name": rule.name} for rule in rules),
        *(
            _("Step %(number)d of the escalation policy “%(name)s”") % {"number": step.number, "name": step.policy.name}
            for step in steps
        ),
        *(_("Channel “%(name)s”, for which it takes over") % {"name": other.name} for other in others),
    ]
