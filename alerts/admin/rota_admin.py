"""On-call rotas: the members in their order, who stands in, who is on call now and next."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display
from unfold.widgets import INPUT_CLASSES, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from accounts.admin_base import TenantTabularInline
from accounts.models import User
from alerts import escalation, lengths, oncall
from alerts.admin import concerns
from alerts.admin.base import ConfiguredAdmin, WithItsParent
from alerts.admin.durations import DurationField
from alerts.models import OnCallOverride, OnCallRota
from alerts.params import is_zone
from jobs.admin.schedule_form import zones
from jobs.scheduling.zones import first_instant
from portal.lib.fielderrors import FieldErrors
from portal.lib.paramforms import LinesField

if TYPE_CHECKING:
    RotaModelForm = forms.ModelForm[OnCallRota]
    OverrideModelForm = forms.ModelForm[OnCallOverride]
else:
    RotaModelForm = OverrideModelForm = forms.ModelForm

MOST_NAMED = 30


class OnCallOverrideForm(OverrideModelForm):
    class Meta:
        model = OnCallOverride
        fields = ["user", "starts_at", "ends_at"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        starts, ends = data.get("starts_at"), data.get("ends_at")
        if starts and ends and ends <= starts:
            self.add_error("ends_at", _("The end must come after the beginning."))
        return data


class OnCallOverrideInline(WithItsParent, TenantTabularInline):
    model = OnCallOverride
    form = OnCallOverrideForm
    fields = ["user", "starts_at", "ends_at"]
    tab = False


class OnCallRotaForm(RotaModelForm):
    """`starts` is a wall of the rota's own zone, wherever the reader is."""

    slug = forms.SlugField(
        label=gettext_lazy("Slug"),
        required=False,
        max_length=80,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("Its short name in files. Empty: made from the name."),
    )
    members = LinesField(
        label=gettext_lazy("Members"),
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 4, "spellcheck": "false"}),
    )
    starts = forms.DateTimeField(
        label=gettext_lazy("First handover"),
        widget=forms.DateTimeInput(
            attrs={"type": "datetime-local", "class": " ".join(INPUT_CLASSES)}, format="%Y-%m-%dT%H:%M"
        ),
        help_text=gettext_lazy("In the rota's time zone. Shifts follow each other from then on."),
    )
    timezone = forms.CharField(
        label=gettext_lazy("Time zone"),
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"list": "portal-zones", "autocomplete": "off"}),
    )
    shift_length = DurationField(label=gettext_lazy("Length of a shift"), limits=lengths.SHIFT)

    class Meta:
        model = OnCallRota
        fields = ["name", "slug", "timezone", "starts", "shift_length"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "members" not in self.fields:
            return  # somebody who may only look
        row: OnCallRota = self.instance
        if row.pk:
            people = oncall.members_of(row)
            self.initial["members"] = [people[pk].username for pk in row.members if pk in people]
            if escalation.has_zone(row):
                self.initial["starts"] = row.starts.astimezone(ZoneInfo(row.timezone)).replace(tzinfo=None)
        tenant = concerns.tenant_of(self)
        if tenant is not None:
            names = escalation.people_of(tenant.pk).order_by("username").values_list("username", flat=True)
            words = _("User names, one per line, in the order of their turns. Members of the tenant: %(names)s")
            self.fields["members"].help_text = words % {"names": ", ".join(names[:MOST_NAMED])}

    def clean_slug(self) -> str:
        made = self.cleaned_data["slug"] or self.instance.slug or slugify(self.cleaned_data.get("name", ""))
        if not made:
            raise ValidationError(_("Write a slug with letters, digits and “-”, such as database-team."))
        return str(made)[:80]

    def clean_timezone(self) -> str:
        text = str(self.cleaned_data["timezone"]).strip()
        try:
            return is_zone(text)
        except ValueError as error:
            raise ValidationError(str(error)) from None

    def clean_members(self) -> list[int]:
        try:
            return oncall.members_named(self.cleaned_data["members"], tenant_id=self.instance.tenant_id)
        except FieldErrors as refused:
            raise ValidationError([error.message for error in refused.errors]) from None

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("timezone") and data.get("starts"):
            data["starts"] = _wall(data["starts"], ZoneInfo(data["timezone"]))
        return data


def _wall(read: datetime, zone: ZoneInfo) -> datetime:
    """What was typed, as a time of the rota's zone; Django took it for one of the reader's."""
    typed = read.astimezone(timezone.get_current_timezone()).replace(tzinfo=None)
    return first_instant(zone, typed)


@admin.register(OnCallRota)
class OnCallRotaAdmin(ConfiguredAdmin):
    form = OnCallRotaForm
    inlines = [OnCallOverrideInline]
    list_display = ["name", "now_on_call", "member_names", "timezone"]
    search_fields = ["name", "slug"]
    ordering = ["name", "id"]
    change_form_template = "admin/alerts/oncallrota/change_form.html"  # type: ignore[misc]
    fieldsets = [(None, {"fields": ["name", "slug", "members", "timezone", "starts", "shift_length"]})]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("overrides")

    def get_fieldsets(self, request: HttpRequest, obj: OnCallRota | None = None) -> Any:
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        fields = ["name", "slug", *(["members"] if may else []), "timezone", "starts", "shift_length"]
        return [(None, {"fields": fields})]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        found = super().get_changelist_instance(request)
        people = oncall.members_of_many(list(found.result_list))
        for row in found.result_list:
            vars(row)["people"] = people[row.pk]
        return found

    @display(description=gettext_lazy("On call now"))  # type: ignore[untyped-decorator]
    def now_on_call(self, obj: OnCallRota) -> str:
        member = escalation.member_on_call(obj, timezone.now())
        person = _people(obj).get(member) if member else None
        return name_of(person) if person else _("nobody")

    @display(description=gettext_lazy("Members"))  # type: ignore[untyped-decorator]
    def member_names(self, obj: OnCallRota) -> str:
        people = _people(obj)
        return ", ".join(name_of(people[pk]) for pk in obj.members if pk in people) or "–"

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        obj = self.get_object(request, unquote(object_id)) if object_id else None
        extra: dict[str, Any] = {"zones": zones(), **(extra_context or {})}
        if obj is not None:
            found = oncall.duties(obj, timezone.now())
            extra |= {"rota": obj, "duties": [(name_of(one.person) if one.person else "", one) for one in found]}
        return super().changeform_view(request, object_id, form_url, extra)


def _people(row: OnCallRota) -> Mapping[int, User]:
    """What the list has read for all its rows at once."""
    found: Mapping[int, User] | None = vars(row).get("people")
    return oncall.members_of(row) if found is None else found


def name_of(person: Any) -> str:
    full = person.get_full_name()
    return f"{full} ({person.username})" if full else str(person.username)
