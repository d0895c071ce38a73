"""The sidebar: what leads where, for whom. An entry whose page is not registered, or not allowed, is left out."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from alerts.admin.sql_alert_page import may_make as sql_alerts_can_be_made
from portal.mailsink.pages import is_shown as kept_mail_is_shown
from portal.waiting import waiting_approvals

# Names an operator is likely to give; any other is shown as it is.
ENVIRONMENTS: dict[str, str | Promise] = {
    "production": _("production"),
    "staging": _("staging"),
    "test": _("test"),
    "development": _("development"),
}

APPROVALS = "datasources.writeapproval"


class Entry(NamedTuple):
    """`target` is a model ("jobs.job"), one of its pages ("jobs.job:tenant_fires"), or an address ("admin:index")."""

    title: str | Promise
    icon: str
    target: str
    is_shown: Callable[[HttpRequest], bool] = lambda request: True


GROUPS: list[tuple[str | Promise, list[Entry]]] = [
    (
        _("Operations"),
        [
            Entry(_("Home"), "home", "admin:index"),
            Entry(_("Jobs"), "work", "jobs.job"),
            Entry(_("Runs"), "play_circle", "jobs.run"),
            Entry(_("Schedules"), "schedule", "jobs.schedule"),
            Entry(_("Fire ledger"), "fact_check", "jobs.job:tenant_fires"),
            Entry(_("Backfills"), "event_repeat", "jobs.backfill"),
            Entry(_("Outages"), "power_off", "jobs.outage"),
            Entry(_("Inbox"), "inbox", "alerts.inboxmessage"),
            Entry(_("Calendars"), "calendar_month", "jobs.calendar"),
            Entry(_("Blackout windows"), "block", "jobs.blackout"),
            Entry(_("Change freezes"), "ac_unit", "jobs.freeze"),
        ],
    ),
    (
        _("Alerts"),
        [
            Entry(_("Incidents"), "crisis_alert", "alerts.incident"),
            Entry(_("Trend of alerts"), "monitoring", "alerts.incident:trend"),
            Entry(_("Alert rules"), "notifications_active", "alerts.alertrule"),
            Entry(_("New SQL alert"), "add_alert", "alerts.alertrule:sql", sql_alerts_can_be_made),
            Entry(_("Notification rules"), "campaign", "alerts.notificationrule"),
            Entry(_("Channels"), "send", "alerts.channel"),
            Entry(_("Notifications"), "outgoing_mail", "alerts.notification"),
            Entry(_("Silences"), "notifications_off", "alerts.silence"),
            Entry(_("Escalation"), "stairs", "alerts.escalationpolicy"),
            Entry(_("On call"), "support_agent", "alerts.oncallrota"),
            Entry(_("Incoming webhooks"), "webhook", "alerts.incominghook"),
        ],
    ),
    (
        _("Data"),
        [
            Entry(_("Datasources"), "database", "datasources.datasource"),
            Entry(_("Query console"), "terminal", "datasources.queryrecord:console"),
            Entry(_("SQL scripts"), "code_blocks", "datasources.sqlscript"),
            Entry(_("Write approvals"), "how_to_reg", APPROVALS),
            Entry(_("Secrets"), "key", "datasources.secret"),
        ],
    ),
    (
        _("Administration"),
        [
            Entry(_("Members"), "group", "accounts.membership"),
            Entry(_("Users"), "person", "accounts.user"),
            Entry(_("Tenants"), "domain", "accounts.tenant"),
            Entry(_("Audit trail"), "policy", "accounts.auditentry"),
            Entry(_("Workers"), "dns", "jobs.workernode"),
            Entry(_("Queues"), "stacks", "jobs.queue"),
            Entry(_("Kept mail"), "mark_email_unread", "admin:kept_mail", kept_mail_is_shown),
            Entry(_("Housekeeping"), "cleaning_services", "django_celery_beat.periodictask"),
        ],
    ),
]


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """unfold's SIDEBAR navigation for this request."""
    groups: list[dict[str, Any]] = []
    for title, entries in GROUPS:
        items = [item for entry in entries if (item := _item(entry, request))]
        if items:
            collapsible = title != GROUPS[0][0]  # what people come for stays open
            group = {"title": title, "collapsible": collapsible, "separator": bool(groups), "items": items}
            groups.append(group | _badge(sum(item.get("badge", 0) for item in items)))
    _mark_active([item for group in groups for item in group["items"]], request.path)
    return groups


def _mark_active(items: list[dict[str, Any]], path: str) -> None:
    """The entry whose address begins the page's own and is the longest: a page below another marks one, not both."""
    home = reverse("admin:index")
    leading = [
        item for item in items if item["link"] == path or (item["link"] != home and path.startswith(item["link"]))
    ]
    chosen = max(leading, key=lambda item: len(item["link"]), default=None)
    for item in items:
        item["active"] = item is chosen


def _item(entry: Entry, request: HttpRequest) -> dict[str, Any] | None:
    if not entry.is_shown(request):
        return None
    label, _colon, page = entry.target.partition(":")
    link = _page_of(label, page or "changelist", request) if "." in label else _named(entry.target)
    if not link:
        return None
    waiting = waiting_approvals(request) if entry.target == APPROVALS else 0
    return {"title": entry.title, "icon": entry.icon, "link": link, **_badge(waiting)}


def _badge(count: int) -> dict[str, Any]:
    """A number beside an entry and its group, which may be folded; nothing for none."""
    return {"badge": count, "badge_variant": "warning"} if count else {}


def _named(name: str) -> str | None:
    try:
        return reverse(name)
    except NoReverseMatch:
        return None


def _page_of(label: str, page: str, request: HttpRequest) -> str | None:
    model_admin = admin.site._registry.get(apps.get_model(label))
    if model_admin is None or not model_admin.has_view_permission(request):
        return None
    return _named(f"admin:{label.replace('.', '_')}_{page}")


def environment(request: HttpRequest) -> list[str] | None:
    """unfold's badge: the environment's name and colour."""
    name = str(settings.ENVIRONMENT)
    colours = {"production": "danger", "staging": "warning", "test": "success"}
    return [str(ENVIRONMENTS.get(name, name)), colours.get(name, "info")]


def title_prefix(request: HttpRequest) -> str:
    """What a page's title begins with, so that nobody takes a trial for production."""
    name = str(settings.ENVIRONMENT)
    return "" if name == "production" else f"[{ENVIRONMENTS.get(name, name)}]"
