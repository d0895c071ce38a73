"""What a message says when its rule has no template of its own: for each trigger, in the reader's language. PURE.

They are templates as people write them, so that a form can offer one to start from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import tzinfo

from django.utils.functional import Promise
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import override

from alerts.states import ALERT_TRIGGERS, INCIDENT_TRIGGERS, PORTAL_TRIGGERS, RUN_TRIGGERS, Trigger
from alerts.templatevars import Plain
from alerts.templating import Template, TemplateError, parse, parse_subject, render_body, render_subject

T = Trigger
Lines = tuple[tuple[str | Promise, str], ...]  # (label, variable with filters); without a label the value alone

SUBJECTS: Mapping[str, str | Promise] = {
    T.SUCCESS: _("{{ task_name }} succeeded"),
    T.BUSINESS_FAILURE: _("{{ task_name }}: business failure"),
    T.TECHNICAL_FAILURE: _("{{ task_name }}: technical failure"),
    T.TIMEOUT: _("{{ task_name }} timed out"),
    T.MISSED: _("{{ task_name }} did not run when it should have"),
    T.SKIPPED: _("{{ task_name }} was skipped"),
    T.LOST: _("{{ task_name }}: the run was lost"),
    T.LATE: _("{{ task_name }} started late"),
    T.TOO_LONG: _("{{ task_name }} runs unusually long"),
    T.SUSPICIOUS: _("{{ task_name }}: success that looks wrong"),
    T.FIRING: _("[{{ severity }}] {{ rule_name }} fires"),
    T.STILL_FIRING: _("[{{ severity }}] {{ rule_name }} still fires"),
    T.RECOVERED: _('Recovered: {{ rule_name }}{{ task_name|label:" " }}'),
    T.ERROR: _("[{{ severity }}] {{ rule_name }}: the check fails"),
    T.STALE: _("[{{ severity }}] {{ rule_name }}: no result in time"),
    T.NO_DATA: _("[{{ severity }}] {{ rule_name }}: no data"),
    T.ACKNOWLEDGED: _("Acknowledged: {{ incident_title }}"),
    T.ESCALATED: _("[{{ severity }}] Escalated: {{ incident_title }}"),
    T.OUTAGE: _("The portal: {{ sentence }}"),
    T.OUTAGE_OVER: _("The portal is back: {{ sentence }}"),
}

_OF_RUN: Lines = (
    ("", "execution_reason"),
    (_("Job"), "task_name"),
    (_("Status"), "execution_status"),
    (_("Due"), "scheduled_time"),
    (_("Started"), "execution_start_time"),
    (_("Ended"), "execution_end_time"),
    (_("Duration"), "execution_duration"),
    (_("Times in a row"), "threshold_count"),
    (_("Tenant"), "tenant"),
)
_OF_ALERT: Lines = (
    ("", "sentence"),
    (_("Alert"), "rule_name"),
    (_("State"), "state"),
    (_("Severity"), "severity"),
    (_("Value"), "value"),
    (_("Since"), "since"),
    (_("Incident"), "incident_title"),
    (_("Tenant"), "tenant"),
)
_OF_INCIDENT: Lines = (
    ("", "sentence"),
    (_("Incident"), "incident_title"),
    (_("Severity"), "severity"),
    (_("Since"), "since"),
    (_("Who takes care of it"), "owner"),
    (_("Tenant"), "tenant"),
)
_OF_PORTAL: Lines = (("", "sentence"), (_("Since"), "since"), (_("When"), "time"))


def default_subject(trigger: str, language: str) -> str:
    """The template of the subject."""
    with override(language):
        return str(SUBJECTS.get(trigger, SUBJECTS[T.FIRING]))


def default_body(trigger: str, language: str) -> str:
    """The template of the body."""
    with override(language):
        return "\n".join([*map(_line, _lines_of(trigger)), *_rest(trigger)])


def _lines_of(trigger: str) -> Lines:
    if trigger in RUN_TRIGGERS:
        return _OF_RUN
    if trigger in INCIDENT_TRIGGERS:
        return _OF_INCIDENT
    if trigger in PORTAL_TRIGGERS:
        return _OF_PORTAL
    return _OF_ALERT if trigger != T.RECOVERED else (*_OF_ALERT, *_OF_RUN[1:-1])


def _line(line: tuple[str | Promise, str]) -> str:
    label, variable = line
    if not label:
        return f"{{{{ {variable} }}}}"
    return f'{{{{ {variable}|label:"{label}{_now(": ")}" }}}}'


def _rest(trigger: str) -> list[str]:
    if trigger in RUN_TRIGGERS:
        log = _now("The end of the log:")
        return [f'{{{{ execution_log_tail|lines:20|label:"\\n{log}\\n" }}}}']
    if trigger in ALERT_TRIGGERS:
        return ['{{ evidence|rows:10|label:"\\n" }}']
    return []


@dataclass(frozen=True, kw_only=True)
class Written:
    """A message's texts. `problem`: why a template of the rule was not used, in the reader's language."""

    subject: str
    body: str
    is_cut: bool = False
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Templates:
    """Those of a rule; an empty one is the default of the trigger."""

    subject: str = ""
    body: str = ""


def write(templates: Templates, trigger: str, values: Mapping[str, Plain], *, language: str, zone: tzinfo) -> Written:
    """The texts of a message. Never fails for a template: one that can't be used is replaced, and the body says so."""
    with override(language):
        subject, bad_subject = _parsed(templates.subject, default_subject(trigger, language), parse_subject)
        body, bad_body = _parsed(templates.body, default_body(trigger, language), parse)
        problem = bad_subject or bad_body
        note = _now("(A template of the rule could not be used: %(problem)s)") % {"problem": problem} if problem else ""
    line = render_subject(subject, values, language=language, zone=zone)
    text = render_body(body, values, language=language, zone=zone)
    return Written(
        subject=line.text,
        body=f"{text.text}\n\n{note}" if note else text.text,
        is_cut=line.is_cut or text.is_cut,
        problem=problem,
    )


def _parsed(own: str, default: str, parse: Callable[[str], Template]) -> tuple[Template, str]:
    """The template to use, and why it is not the own one."""
    try:
        return parse(own or default), ""
    except TemplateError as error:
        return parse(default), error.sentence
