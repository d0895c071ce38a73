"""What a message will say: a rule's templates with a real run of its job, or with an example."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

from django.utils import timezone

from alerts import templating
from alerts.defaulttemplates import Templates, write
from alerts.letters import Event, variables
from alerts.shelf import target_of
from alerts.states import RUN_TRIGGERS, Severity, Trigger
from alerts.templatevars import VARIABLES, Plain
from jobs.models import Job, Run
from jobs.states import TERMINAL, RunStatus

# The run that a trigger is about, to look for among the last ones.
ABOUT = {
    Trigger.SUCCESS: {RunStatus.SUCCEEDED},
    Trigger.RECOVERED: {RunStatus.SUCCEEDED},
    Trigger.BUSINESS_FAILURE: {RunStatus.BUSINESS_FAILURE},
    Trigger.TECHNICAL_FAILURE: {RunStatus.TECHNICAL_FAILURE},
    Trigger.TIMEOUT: {RunStatus.TIMED_OUT},
    Trigger.LOST: {RunStatus.LOST},
    Trigger.MISSED: {RunStatus.MISSED},
    Trigger.SKIPPED: {RunStatus.SKIPPED},
}
OF_RUNS = RUN_TRIGGERS | {Trigger.RECOVERED}
LOOKED_AT = 200  # runs


@dataclass(frozen=True, kw_only=True)
class Preview:
    """`run` is what it was made with; None for an example."""

    subject: str
    body: str
    run: Run | None = None


def preview(templates: Templates, trigger: Trigger, *, job: Job | None, language: str, zone: tzinfo) -> Preview:
    """Raises `templating.TemplateError` for a template that can't be used."""
    for text in (templates.subject, templates.body):
        templating.parse(text)
    run = _run_of(job, trigger) if job is not None and trigger in OF_RUNS else None
    values: dict[str, Plain] = {name: one.sample for name, one in VARIABLES.items()}
    if run is not None:
        # Of a real run all is real: what it has not stays empty, as in the message.
        values = dict.fromkeys(VARIABLES) | variables(_event(run, trigger))
    elif job is not None:
        values |= {"task_id": job.slug, "task_name": job.name, "tenant": job.tenant.name}
    written = write(templates, trigger, {**values, "trigger": trigger.label}, language=language, zone=zone)
    return Preview(subject=written.subject, body=written.body, run=run)


def _event(run: Run, trigger: Trigger) -> Event:
    return Event(
        tenant=run.tenant,
        trigger=trigger,
        severity=Severity.WARNING,
        at=run.ended_at or timezone.now(),
        key="preview",
        target=target_of(run.job),
        job=run.job,
        run=run,
    )


def _run_of(job: Job, trigger: Trigger) -> Run | None:
    """The newest ended run that the trigger may be about, else the newest one."""
    recent = list(job.runs.filter(status__in=TERMINAL).order_by("-id").select_related("job", "tenant")[:LOOKED_AT])
    wanted = ABOUT.get(trigger, set())
    return next((run for run in recent if run.status in wanted), recent[0] if recent else None)
