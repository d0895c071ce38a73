"""The columns of the incident board."""

from urllib.parse import quote

from django.contrib import admin
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from alerts import incident_look
from alerts.models import Incident
from alerts.queries.board import BoardFacts
from alerts.states import UNRESOLVED, IncidentStatus
from alerts.wording import render
from jobs import look


class IncidentColumns:
    """Mixed into the incident admin; each row carries `board` and what the user may do to it."""

    @admin.display(description=gettext_lazy("incident"))
    def what(self, incident: Incident) -> SafeString:
        return format_html(
            '<span class="p-cell p-title"><a class="p-strong" href="{}">{}</a><small>{}</small></span>',
            reverse("admin:alerts_incident_change", args=[incident.pk]),
            title_of(incident),
            format_html_join(" · ", "{}", ((part,) for part in self._notes(incident))),
        )

    def _notes(self, incident: Incident) -> list[str]:
        facts = facts_of(incident)
        notes = [f"#{incident.pk}", incident_look.kind_label(incident.kind)]
        if facts.alerts > 1:
            notes.append(ngettext("%(n)d alert", "%(n)d alerts", facts.alerts) % {"n": facts.alerts})
        elif not facts.alerts and incident.status in UNRESOLVED:
            notes.append(_("no alert any more"))
        notes.append(ngettext("%(n)d bad result", "%(n)d bad results", incident.count) % {"n": incident.count})
        return notes

    @admin.display(description=gettext_lazy("severity"), ordering="severity")
    def urgency(self, incident: Incident) -> SafeString:
        return incident_look.severity_badge(incident.severity)

    @admin.display(description=gettext_lazy("status"), ordering="status")
    def state(self, incident: Incident) -> SafeString:
        tags = []
        if incident.is_flapping:
            tags.append(("sync_problem", _("Flapping"), ""))
        if incident.snoozed_until and incident.status in UNRESOLVED:
            until = look.absolute(incident.snoozed_until)
            tags.append(("snooze", _("Snoozed"), _("until %(until)s") % {"until": until}))
        shown = format_html_join("", TAG, ((title, icon, word) for icon, word, title in tags))
        badge = incident_look.status_badge(incident.status)
        return format_html('<span class="p-tags">{}{}</span>', badge, shown)

    @admin.display(description=gettext_lazy("since"), ordering="opened_at")
    def since(self, incident: Incident) -> SafeString:
        """How long it has lasted, or did."""
        if incident.resolved_at is None:
            return format_html('<span class="p-cell"><span>{}</span></span>', look.when(incident.opened_at))
        took = look.seconds_text(incident.resolved_at - incident.opened_at)
        return format_html(
            '<span class="p-cell"><span>{}</span><small>{}</small></span>',
            look.when(incident.opened_at),
            _("lasted %(time)s") % {"time": took},
        )

    @admin.display(description=gettext_lazy("owner"))
    def who(self, incident: Incident) -> SafeString | str:
        owner = str(incident.owner) if incident.owner else ""
        by = incident.acknowledged_by if incident.status == IncidentStatus.ACKNOWLEDGED else ""
        return format_html('<span class="p-break">{}</span>', owner or by) if owner or by else "–"

    @admin.display(description=gettext_lazy("told"))
    def told(self, incident: Incident) -> SafeString:
        return incident_look.told_badge(dict(facts_of(incident).messages))

    @admin.display(description="")
    def buttons(self, incident: Incident) -> SafeString:
        return render_to_string(
            "admin/alerts/incident/_row_buttons.html",
            {
                "incident": incident,
                "may": getattr(incident, "may", ()),
                "back_query": quote(getattr(incident, "back", ""), safe="/"),
                "is_alive": incident.status in UNRESOLVED,
                "is_open": incident.status == IncidentStatus.OPEN,
                "title": title_of(incident),
            },
        )


TAG = (
    '<span class="p-badge p-badge--warn" title="{}"><span class="material-symbols-outlined" aria-hidden="true">{}'
    "</span><span>{}</span></span>"
)


def title_of(incident: Incident) -> str:
    """In the reader's language; an incident without a readable title is called by its cause."""
    return render(incident.title, incident.cause) or f"#{incident.pk}"


def facts_of(incident: Incident) -> BoardFacts:
    found: BoardFacts = getattr(incident, "board", BoardFacts())
    return found
