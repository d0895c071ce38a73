"""What the page of one incident shows."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from accounts.admin_scope import user_of
from accounts.permissions import visible_to
from alerts import incident_look, look, wording
from alerts.admin.incident_columns import title_of
from alerts.admin.incident_deeds import allowed, tomorrow
from alerts.admin.incident_evidence import evidence_of
from alerts.incidents import possible_owners
from alerts.models import DeliveryAttempt, Incident, IncidentEvent, IncidentMember, Notification
from alerts.queries import story
from alerts.queries.story import NextStep, Shown
from alerts.states import UNRESOLVED, IncidentStatus, NotificationStatus
from jobs import look as times
from jobs import outages
from jobs.models import Job, Run

NOT_SENT = frozenset({NotificationStatus.HELD, NotificationStatus.SUPPRESSED, NotificationStatus.DEAD})


def context(request: HttpRequest, incident: Incident) -> dict[str, Any]:
    user = user_of(request)
    may = allowed(user, incident)
    is_alive = incident.status in UNRESOLVED
    members, messages, timeline = story.members(incident), story.messages(incident), story.events(incident)
    return {
        "incident": incident,
        "title": title_of(incident),
        "cause": _cause(incident, members),
        "found": wording.render(_stored(incident.evidence).get("sentence")),
        "badges": _badges(incident),
        "is_alive": is_alive,
        "is_open": incident.status == IncidentStatus.OPEN,
        "is_snoozed": is_alive and incident.snoozed_until is not None,
        "may_acknowledge": "acknowledge" in may,
        "may_resolve": "resolve" in may and is_alive,
        "owners": possible_owners(incident) if "acknowledge" in may and is_alive else [],
        "tomorrow": times.absolute(tomorrow()),
        "zone": times.zone_label(times.zone_named("")),
        "evidence": evidence_of(incident.evidence),
        "alerts": _alerts(request, members),
        "alerts_left_out": members.left_out,
        "is_orphan": is_alive and all(member.left_at for member in members.rows),
        "events": [_line(event) for event in timeline.rows],
        "events_left_out": timeline.left_out,
        "messages_sent": [_message(message) for message in messages.rows],
        "messages_left_out": messages.left_out,
        "is_nobody_told": not any(m.status not in NOT_SENT for m in messages.rows),
        "escalation": _escalation(incident),
        "silence_url": _silence_url(members) if is_alive else "",
    }


def _cause(incident: Incident, members: Shown) -> str:
    """What its alerts have in common, in words; empty where it is one alert by itself, which is shown anyway."""
    kind, _colon, name = incident.cause.partition(":")
    if kind == "datasource":
        return _("The datasource “%(name)s”") % {"name": name}
    if kind == "job":
        jobs = (member.status.job.name for member in members.rows if member.status.job)
        return _("The job “%(name)s”") % {"name": next(jobs, f"#{name}")}
    return "" if kind == "rule" else incident.cause


def _stored(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _badges(incident: Incident) -> list[Any]:
    found = [incident_look.status_badge(incident.status), incident_look.severity_badge(incident.severity)]
    found.append(incident_look.kind_badge(incident.kind))
    if incident.is_flapping:
        found.append(look.badge("warn", "sync_problem", _("Flapping")))
    if incident.snoozed_until and incident.status in UNRESOLVED:
        found.append(look.badge("warn", "snooze", _("Snoozed")))
    return found


def _alerts(request: HttpRequest, members: Shown) -> list[dict[str, Any]]:
    user = user_of(request)
    runs = story.present_runs(members.rows, visible_to(user, Run.objects.all()))
    jobs = story.present_jobs(members.rows, visible_to(user, Job.objects.filter(archived_at=None)))
    return [_alert(member, runs, jobs) for member in members.rows]


def _alert(member: IncidentMember, runs: set[int], jobs: set[int]) -> dict[str, Any]:
    status, rule, job = member.status, member.status.rule, member.status.job
    return {
        "pk": member.pk,
        "rule": rule.name,
        "rule_url": _page("alerts_alertrule_change", rule.pk),
        "description": rule.description,
        "subject": job.name if job else outages.label(status.subject),
        "job_url": _page("jobs_job_change", job.pk) if job and job.pk in jobs else "",
        "run": status.run_id,
        "run_url": _page("jobs_run_change", status.run_id) if status.run_id in runs else "",
        "badge": look.state_badge(status.state),
        "sentence": wording.render(status.sentence),
        "checked_at": status.checked_at,
        "joined_at": member.joined_at,
        "left_at": member.left_at,
    }


def _page(name: str, pk: Any) -> str:
    """The address of a page; empty where this portal has none."""
    try:
        return reverse(f"admin:{name}", args=[pk])
    except NoReverseMatch:
        return ""


def _line(event: IncidentEvent) -> dict[str, Any]:
    return {
        "pk": event.pk,
        "at": event.at,
        "label": incident_look.happened_label(event.what),
        "tone": incident_look.happened_tone(event.what),
        "said": wording.render(event.said),
        "text": event.text,
        "who": event.actor_name or (str(event.actor) if event.actor else ""),
    }


def _message(message: Notification) -> dict[str, Any]:
    original = message.stands_in_for
    return {
        "pk": message.pk,
        "url": _page("alerts_notification_change", message.pk),
        "channel": message.channel.name,
        "recipients": ", ".join(str(one) for one in message.recipients or []),
        "trigger": incident_look.trigger_label(message.trigger),
        "badge": incident_look.message_badge(message.status),
        "why": wording.render(message.why),
        "at": message.sent_at or message.happened_at,
        "not_before": message.not_before if message.status == NotificationStatus.PENDING else None,
        "rule": message.rule.name if message.rule else "",
        "instead_of": original.channel.name if original else "",
        "attempts": [attempt_line(attempt) for attempt in message.attempts.all()],
    }


def attempt_line(attempt: DeliveryAttempt) -> dict[str, Any]:
    """One try to send: when, how long, and what came of it."""
    if attempt.is_ok is None:
        badge = look.badge("live", "outgoing_mail", _("not known yet"))
    elif attempt.is_ok:
        badge = look.badge("good", "check", _("delivered"))
    else:
        badge = look.badge("bad", "close", _("not delivered"))
    return {
        "number": attempt.number,
        "at": attempt.started_at,
        "took": times.seconds_text(attempt.ended_at - attempt.started_at) if attempt.ended_at else "",
        "badge": badge,
        "problem": wording.render(attempt.problem),
        "receipt": attempt.receipt,
        "sender": attempt.sender,
    }


def _escalation(incident: Incident) -> dict[str, Any] | None:
    """In words: which step is next, when, and who is told then; or why none is."""
    policy = incident.escalation
    if policy is None:
        return None
    found: dict[str, Any] = {"name": policy.name, "url": _page("alerts_escalationpolicy_change", policy.pk)}
    step = story.next_step(incident)
    if step is not None:
        return {**found, "step": step, "who": _who(step), "at": step.at, "repeats": policy.repeat_count}
    if incident.status == IncidentStatus.ACKNOWLEDGED and incident.next_step_at is not None:
        return {**found, "begins_anew": incident.next_step_at}
    return {**found, "is_stopped": incident.status != IncidentStatus.OPEN}


def _who(step: NextStep) -> str:
    names = [*step.channels]
    if step.rota:
        names.append(str(step.on_call) if step.on_call else _("nobody in the rota “%(rota)s”") % {"rota": step.rota})
    return ", ".join(names) or _("nobody: the step has no channel and no rota")


def _silence_url(members: Shown) -> str:
    """The form of a silence of the first alert that still takes part."""
    try:
        url = reverse("admin:alerts_silence_add")
    except NoReverseMatch:
        return ""
    rules = [member.status.rule.slug for member in members.rows if member.left_at is None]
    return f"{url}?{urlencode({'selector_rules': rules[0]})}" if rules else ""
