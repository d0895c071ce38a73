"""Days from a shipped calendar or an iCalendar file: choose, look at the difference and the impact, save."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.admin_scope import user_of
from accounts.models import Tenant
from accounts.permissions import visible_to
from jobs import icalendar, impact, workcalendars
from jobs.admin.impact_pages import tried
from jobs.calendardata import shipped_calendar, shipped_calendars
from jobs.models import Calendar
from jobs.workcalendars import Day, changes_between, days_of, days_text, parse_days
from portal.lib.fielderrors import FieldErrors

if TYPE_CHECKING:
    from jobs.admin.calendar_admin import CalendarAdmin

TEMPLATE = "admin/jobs/calendar/import.html"
Page = tuple[str, dict[str, Any]]


class ImportForm(forms.Form):
    """Where the days come from, and which calendar they go to."""

    shipped = forms.ChoiceField(
        label=gettext_lazy("Shipped calendar"), required=False, widget=UnfoldAdminSelectWidget()
    )
    file = forms.FileField(
        label=gettext_lazy("or an iCalendar file (.ics)"),
        required=False,
        help_text=gettext_lazy("All-day events; at most 1 MB."),
    )
    target = forms.ChoiceField(label=gettext_lazy("Into"), required=False, widget=UnfoldAdminSelectWidget())
    name = forms.CharField(
        label=gettext_lazy("Name of a new calendar"),
        required=False,
        max_length=150,
        widget=UnfoldAdminTextInputWidget(),
    )
    keep = forms.BooleanField(
        label=gettext_lazy("Keep the days that the source does not name"), required=False, initial=True
    )

    def __init__(self, *args: Any, calendars: list[Calendar], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.calendars = {str(each.pk): each for each in calendars}
        shipped = [(each.slug, f"{each.name} ({each.years[0]}–{each.years[1]})") for each in shipped_calendars()]
        self.fields["shipped"].choices = [("", "–"), *shipped]  # type: ignore[attr-defined]
        known = [(key, each.name) for key, each in self.calendars.items()]
        self.fields["target"].choices = [("", _("A new calendar")), *known]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if bool(data.get("shipped")) == bool(data.get("file")):
            raise ValidationError(_("Choose either a shipped calendar or a file."))
        data["days"], data["source"] = self._days(data)
        return data

    def _days(self, data: dict[str, Any]) -> tuple[list[Day], Any]:
        source = shipped_calendar(data.get("shipped") or "")
        if source is not None:
            return list(source.days), source
        upload = data["file"]
        if upload.size > icalendar.MOST_BYTES:
            self.add_error("file", _("The file is larger than 1 MB: export a calendar of holidays alone."))
            return [], None
        try:
            found = icalendar.read_days(upload.read(), year=timezone.now().year)
        except icalendar.CalendarFileError as refusal:
            self.add_error("file", str(refusal))
            return [], None
        return [Day(each.date, each.kind, each.name) for each in found], None


def step(request: HttpRequest, page: CalendarAdmin, tenant: Tenant) -> HttpResponse | Page:
    """One of: the question, the difference, and back to the saved calendar."""
    rows = Calendar.objects.filter(tenant=tenant).order_by("name")
    calendars = list(visible_to(user_of(request), rows, "change"))
    if request.method == "POST" and "days" in request.POST:
        return _save(request, page, tenant, {str(each.pk): each for each in calendars})
    form = ImportForm(request.POST if request.method == "POST" else None, request.FILES or None, calendars=calendars)
    context = {**page.admin_site.each_context(request), "opts": page.opts, "title": _("Import days"), "form": form}
    if request.method != "POST" or not form.is_valid():
        return TEMPLATE, context
    wanted = _wanted(form, tenant)
    before = days_of(wanted)
    days = list(form.cleaned_data["days"])
    if form.cleaned_data["keep"]:
        named = {day.date for day in days}
        days = sorted([*days, *(day for day in before if day.date not in named)])

    def write() -> HttpResponse:
        with transaction.atomic():
            workcalendars.save_calendar(wanted, actor=user_of(request), days=days)
        request.portal_saved = wanted  # type: ignore[attr-defined]
        return HttpResponseRedirect("/")

    is_new = wanted.pk is None
    _answer, found = tried(request, write)
    if is_new:
        wanted.pk = None
    facts = {name: getattr(wanted, name) for name in ("name", "slug", "timezone", "workdays")}
    changes = changes_between(before, days)
    context |= {"changes": changes[:500], "change_count": len(changes), "days": days_text(days), "facts": facts}
    context |= {"target": "" if is_new else wanted.pk, "impact": found, "source": form.cleaned_data["source"]}
    context["sentences"] = impact.sentences(found) if found else []
    return TEMPLATE, context


def _wanted(form: ImportForm, tenant: Tenant) -> Calendar:
    """The calendar the days go to; a new one takes its zone and weekdays from the shipped file."""
    data = form.cleaned_data
    known = form.calendars.get(data["target"])
    if known is not None:
        return known
    source = data["source"]
    name = data["name"].strip() or (source.name if source else _("Imported calendar"))
    slug = _free_slug(tenant, source.slug if source else slugify(name) or "imported")
    zone, workdays = (source.timezone, source.workdays) if source else ("", "12345")
    return Calendar(tenant=tenant, name=name, slug=slug, timezone=zone, workdays=workdays)


def _free_slug(tenant: Tenant, slug: str) -> str:
    taken = set(Calendar.objects.filter(tenant=tenant, slug__startswith=slug).values_list("slug", flat=True))
    return next(each for each in (slug, *(f"{slug}-{n}" for n in range(2, 1000))) if each not in taken)


def _save(
    request: HttpRequest, page: CalendarAdmin, tenant: Tenant, calendars: dict[str, Calendar]
) -> HttpResponse | Page:
    row = calendars.get(request.POST.get("target", ""))
    if row is None:
        name = request.POST.get("name", "").strip()[:150] or _("Imported calendar")
        slug = _free_slug(tenant, slugify(request.POST.get("slug", ""))[:70] or "imported")
        workdays = "".join(sorted(set(request.POST.get("workdays", "12345")) & set("1234567")))
        zone = request.POST.get("timezone", "")[:64]
        row = Calendar(tenant=tenant, name=name, slug=slug, timezone=zone, workdays=workdays)
        row.created_by = user_of(request)
    try:
        row.clean_fields(exclude=["tenant", "created_by"])
        workcalendars.save_calendar(row, actor=user_of(request), days=parse_days(request.POST["days"]))
    except (FieldErrors, ValidationError) as refusal:
        messages.error(request, str(refusal))
        return HttpResponseRedirect(reverse("admin:jobs_calendar_import_days"))
    messages.success(request, _("The calendar “%(name)s” was saved.") % {"name": row.name})
    return HttpResponseRedirect(reverse("admin:jobs_calendar_change", args=[row.pk]))
