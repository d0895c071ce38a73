"""What the page of one run shows."""

import difflib
import json
import signal
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from jobs import reasons
from jobs.models import Attempt, JobRevision, LogChunk, Run
from jobs.states import ACTIVE, FAILURE, ReasonCode, RunStatus, WaitReason

MOST_ROWS = 200
MOST_PLAIN_CHUNKS = 200

R, W = ReasonCode, WaitReason
ADVICE: dict[str, Promise] = {
    R.OVERLAP: gettext_lazy("If runs may wait or overlap, change the job's overlap rule."),
    R.OVERLAP_QUEUE_FULL: gettext_lazy("Raise the overlap limit, or run the job less often."),
    R.JOB_DISABLED: gettext_lazy("Enable the job, then run it."),
    R.TENANT_DISABLED: gettext_lazy("Ask a platform admin to enable the tenant."),
    R.MISFIRE: gettext_lazy("The portal was not running at that time. Run the job by hand if it is still needed."),
    R.CANCELLED_BY_USER: gettext_lazy("Run it again when it is needed."),
    R.WORKER_LOST: gettext_lazy("Look at the worker's machine: it stopped, restarted or lost the database."),
    R.RIGHT_LOST: gettext_lazy("Give the job's owner the right again, or let somebody who has it save the job."),
    R.MISSING_DRIVER: gettext_lazy("Install what is missing on the worker, or choose another queue."),
    R.BAD_DEFINITION: gettext_lazy("Open the job, correct it and save it."),
    R.SCRIPT_FAILED: gettext_lazy("Read the end of the log: it says where the script stopped."),
    R.BUSINESS: gettext_lazy("The script said so by its exit code; it is not tried again. Read its log."),
    R.SIGNAL: gettext_lazy("Something outside the script ended it. Read the end of the log and look at the machine."),
    R.OUT_OF_MEMORY: gettext_lazy("Let the script read its input in pieces, or give the worker more memory."),
    R.TIMEOUT: gettext_lazy("Make the script faster, or raise the job's time limit."),
    R.CANNOT_START: gettext_lazy("Check the interpreter's path and the worker's disk."),
    R.CONNECTION: gettext_lazy("Test the connection, then run the job again."),
    R.INTERNAL: gettext_lazy("Tell the platform admin the number of this run."),
    W.TENANT_QUOTA: gettext_lazy("It starts when another run of the tenant ends."),
    W.NODE_BUSY: gettext_lazy("It starts when the machine has room, or on another worker."),
    W.NO_CAPABLE_WORKER: gettext_lazy("Start a worker that serves this queue and this kind of job."),
}


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
    code = run.wait_reason if run.status == RunStatus.QUEUED else run.reason_code
    title, words = _title(run), reasons.of(run)
    if not title and not words:
        return None
    tone = "bad" if run.status in FAILURE else "info" if run.status in ACTIVE else "warn"
    if run.status == RunStatus.BUSINESS_FAILURE:
        tone = "warn"
    return Cause(tone=tone, title=title, reason=words, advice=str(ADVICE.get(code, "")))


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
    name = next((each for each in ("script", "sql") if isinstance(params.get(each), str)), "")
    script = params.pop(name, "") if name else ""
    return {"script": script, "rest": pretty({**definition, "params": params})}


def definition_diff(old: JobRevision, new: JobRevision) -> list[tuple[str, str]]:
    """(class, line): "add", "del", "at" or "" for each line of a unified diff of two revisions."""
    before, after = (_lines(revision) for revision in (old, new))
    found = difflib.unified_diff(before, after, f"#{old.number}", f"#{new.number}", lineterm="", n=4)
    return [(_line_class(line), line) for line in found]


def _lines(revision: JobRevision) -> list[str]:
    parts = definition_parts(revision)
    return [*parts["rest"].splitlines(), "", *str(parts["script"]).splitlines()]


def _line_class(line: str) -> str:
    if line.startswith(("---", "+++", "@@")):
        return "at"
    return {"+": "add", "-": "del"}.get(line[:1], "")
