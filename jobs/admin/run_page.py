"""What the page of one run shows."""

import json
import signal
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from jobs import advice, reasons
from jobs.admin import run_parts
from jobs.logquota import was_cut_by_quota
from jobs.models import Attempt, JobRevision, LogChunk, Run
from jobs.states import ACTIVE, FAILURE, LogDeletion, RunStatus
from portal.lib.textdiff import unified

MOST_ROWS = 200
MOST_PLAIN_CHUNKS = 200


@dataclass(frozen=True, kw_only=True)
class Cause:
    """Why a run is as it is: what happened, in whose words, and what to do."""

    tone: str
    title: str
    reason: str
    advice: str


def cause_of(run: Run) -> Cause | None:
    """None when there is nothing to explain."""
    if run.status == RunStatus.RUNNING and run.cancel_requested_at:
        words = reasons.render(run.cancel_reason, run.cancel_reason_args)
        return Cause(tone="warn", title=_("It is being cancelled"), reason=words, advice="")
    waits = run.status == RunStatus.QUEUED
    todo = advice.for_wait(run.wait_reason) if waits else advice.for_reason(run.reason_code)
    title, words = _title(run), reasons.of(run)
    if not title and not words:
        return None
    tone = "bad" if run.status in FAILURE else "info" if run.status in ACTIVE else "warn"
    if run.status == RunStatus.BUSINESS_FAILURE:
        tone = "warn"
    return Cause(tone=tone, title=title, reason=words, advice=todo)


def _title(run: Run) -> str:
    if run.status == RunStatus.QUEUED:
        return str(run.get_wait_reason_display()) if run.wait_reason else ""
    return str(run.get_reason_code_display()) if run.reason_code else ""


def cause_in_brief(run: Run) -> str:
    """One line for lists."""
    words = reasons.of(run).strip()
    return words.splitlines()[0] if words else _title(run)


@dataclass(frozen=True, kw_only=True)
class ResultTable:
    """The rows of a SQL statement."""

    title: str
    columns: list[str]
    rows: list[list[Any]]
    note: str


def context(request: HttpRequest, run: Run) -> dict[str, Any]:
    attempts = list(run.attempts.select_related("worker").order_by("number"))
    chosen = _chosen_attempt(request, attempts)
    tables, rest = result_parts(run.result)
    return {
        "run": run,
        "job": run.job,
        "job_pk": str(run.job_id),
        "cause": cause_of(run),
        "is_active": run.status in ACTIVE,
        "attempts": [(attempt, signal_name(attempt.signal)) for attempt in attempts],
        "cut_by_quota": {attempt.pk for attempt in attempts if was_cut_by_quota(attempt)},
        "log_gone": gone_log([chosen] if chosen else attempts),
        "chosen": chosen,
        "log_query": f"?attempt={chosen.number}" if chosen else "",
        "log_chunks": plain_log(run, chosen),
        "events": list(run.events.select_related("actor").order_by("id")),
        "params": run.params or {},
        "outputs": run.outputs or {},
        "tables": tables,
        "result_text": pretty(rest) if rest not in (None, {}, []) else "",
        "definition": definition_parts(run.revision),
        "is_latest": run.job.revision_id == run.revision_id,
        "again_of": run.rerun_of,
        "whole": run_parts.whole(run),
    }


def _chosen_attempt(request: HttpRequest, attempts: list[Attempt]) -> Attempt | None:
    wanted = request.GET.get("attempt", "")
    return next((attempt for attempt in attempts if str(attempt.number) == wanted), None)


def plain_log(run: Run, attempt: Attempt | None) -> list[LogChunk]:
    """The beginning of the log for browsers without the viewer."""
    chunks = LogChunk.objects.filter(attempt__run=run)
    if attempt is not None:
        chunks = chunks.filter(attempt=attempt)
    return list(chunks.order_by("attempt__number", "seq")[:MOST_PLAIN_CHUNKS])


def gone_log(attempts: list[Attempt]) -> str:
    """Why there is no log although something was written; empty when none was deleted."""
    gone = next((attempt for attempt in attempts if attempt.log_deleted_at is not None), None)
    if gone is None or gone.log_deleted_at is None:
        return ""
    words = {
        LogDeletion.AGE: _("The log was deleted on %(day)s: it was older than logs of this job are kept."),
        LogDeletion.QUOTA: _("The log was deleted on %(day)s: the tenant's logs had outgrown their quota."),
    }
    sentence = words.get(LogDeletion(gone.log_deleted_for or LogDeletion.AGE), "")
    return sentence % {"day": date_format(timezone.localtime(gone.log_deleted_at), "DATE_FORMAT")}


def signal_name(number: int | None) -> str:
    if number is None:
        return ""
    try:
        return f"{signal.Signals(number).name} ({number})"
    except ValueError:
        return str(number)


def pretty(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def result_parts(result: Any) -> tuple[list[ResultTable], Any]:
    """Tables of rows, and what of the result is none."""
    if not isinstance(result, dict):
        return [], result
    statements = result.get("statements")
    if isinstance(statements, list):
        return [table for n, item in enumerate(statements, 1) if (table := _table(item, n))], _without(result)
    whole = _table(result, 0)
    return ([whole], None) if whole else ([], result)


def _without(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "statements"}


def _table(item: Any, number: int) -> ResultTable | None:
    if not isinstance(item, dict):
        return None
    columns, rows = item.get("columns"), item.get("rows")
    title = str(item.get("sql") or item.get("statement") or "")
    if number:
        title = _("Statement %(number)d") % {"number": number} + (f": {title[:80]}" if title else "")
    if isinstance(columns, list) and isinstance(rows, list):
        cut = len(rows) > MOST_ROWS or bool(item.get("truncated"))
        note = _("Only the first %(n)d rows are shown.") % {"n": min(len(rows), MOST_ROWS)} if cut else ""
        return ResultTable(title=title, columns=[str(name) for name in columns], rows=rows[:MOST_ROWS], note=note)
    if not number:
        return None
    facts = {name: value for name, value in item.items() if name not in {"sql", "statement"} and value is not None}
    return ResultTable(title=title, columns=list(facts), rows=[list(facts.values())], note="")


def definition_parts(revision: JobRevision) -> dict[str, Any]:
    """What exactly ran: the script by itself, the rest as JSON."""
    definition = dict(revision.definition)
    params = dict(definition.get("params") or {})
    name = next(
        (each for each in ("sql", "script") if isinstance(params.get(each), str)), ""
    )  # a SQL job's script is a slug
    script = params.pop(name, "") if name else ""
    return {"script": script, "rest": pretty({**definition, "params": params})}


def definition_diff(old: JobRevision, new: JobRevision) -> list[tuple[str, str]]:
    """(class, line): "add", "del", "at" or "" for each line of a unified diff of two revisions."""
    before, after = (_lines(revision) for revision in (old, new))
    return unified(before, after, (f"#{old.number}", f"#{new.number}"))


def _lines(revision: JobRevision) -> list[str]:
    parts = definition_parts(revision)
    return [*parts["rest"].splitlines(), "", *str(parts["script"]).splitlines()]
