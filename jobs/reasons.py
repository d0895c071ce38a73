"""Reasons in words, for each reader's own language: a row keeps the key of a sentence and its arguments. PURE.

`reason` of a row is the sentence in the portal's language, for exports and for text that has no key (a script's own
error message). `reason_args` is {"key": <key of SENTENCES>, <argument>: <JSON value>, …}; {"msgid": …, …} for a
sentence of a lower layer (`portal.lib.said`); or {} for somebody else's words.

A screen, a command or an answer never shows `row.reason` itself: it shows `reasons.of(row)`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from django.utils import timezone
from django.utils.translation import gettext, ngettext_lazy
from django.utils.translation import gettext_lazy as _

from jobs.states import ReasonCode
from portal.lib.said import Said, masked, say_again

LONGEST = 500

# Key → sentence with %(named)s places. A key is "<reason or wait code>" or "<code>.<case>"; "any.<case>" fits several
# codes. Arguments are JSON; one whose name ends in _at is an ISO time and shown in the reader's zone; a counted
# sentence is ngettext_lazy(…, …, "<argument>"); an argument may be another reason's args ({"key": …} or {"msgid": …}).
SENTENCES = {
    "overlap": _("Run #%(run)s of this job has not ended."),
    "job_disabled": _("The job was disabled before the run could start."),
    "tenant_disabled": _("The tenant was disabled before the run could start."),
    "tenant_quota": _("The tenant already runs %(count)s of at most %(limit)s runs."),
    "no_capable_worker": _("The worker that looked at it can't run jobs of kind “%(kind)s”."),
    "no_capable_worker.queue": _("No living worker serves the queue “%(queue)s”: start one, or choose another queue."),
    "node_busy.slots": _("Every slot of the workers that serve the queue “%(queue)s” is taken."),
    "overlap.same_moment": _("Another run of this job came due at the same moment."),
    "overlap_queue_full": _("%(count)s runs of this job wait already; at most %(limit)s may."),
    "tenant_disabled.when_due": _("The tenant is disabled."),
    "misfire": _("%(count)s fire times until %(last_at)s were missed by more than the grace period."),
    "misfire.catch_up_full": _(
        "%(count)s fire times until %(last_at)s were missed: catching up runs the oldest 100 and no more."
    ),
    "calendar.holiday": _("%(date)s is a day off in the calendar “%(calendar)s”: %(day)s."),
    "calendar.weekend": _("%(date)s is not a working day in the calendar “%(calendar)s”."),
    "calendar.blackout": _("The blackout window “%(window)s” closes this time, until %(until_at)s."),
    "calendar.merged": _(
        "%(date)s is a day off in the calendar “%(calendar)s”; the fire time of %(into_at)s runs in its place."
    ),
    "calendar.too_late": _(
        "%(date)s is a day off in the calendar “%(calendar)s”, and %(moved_at)s, to which it would have been moved, "
        "had passed when that became known."
    ),
    "calendar.moved": _("Moved from %(from_at)s, a day off in the calendar “%(calendar)s”, to %(moved_at)s."),
    "frozen": _("The freeze “%(freeze)s” is in force until %(until_at)s: %(why)s"),
    "frozen.open": _("The freeze “%(freeze)s” is in force until somebody ends it: %(why)s"),
    "frozen.after": _("The freeze “%(freeze)s” is over: this is the newest fire time it kept back, of %(due_at)s."),
    "any.many_excluded": ngettext_lazy(
        "%(count)d fire time until %(last_at)s was excluded: %(why)s",
        "%(count)d fire times until %(last_at)s were excluded: %(why)s",
        "count",
    ),
    "cancelled_by_user": _("Cancelled by %(user)s."),
    "cancelled_by_user.nobody": _("Cancelled."),
    "cancelled_by_user.job_deleted": _("The job was deleted."),
    "backfill_cancelled": _("%(user)s cancelled the backfill #%(backfill)s."),
    "backfill_cancelled.nobody": _("The backfill #%(backfill)s was cancelled."),
    "cancelled_by_overlap": _("Run #%(run)s took its place."),
    "worker_lost": _("Three workers died while they executed this run; it is not tried again."),
    "not_idempotent": _("Its worker died, and the job must not run twice: look what it has done, then run it again."),
    "released": _("The worker “%(worker)s” was shut down and gave the run back."),
    "released.orphan": _("The worker “%(worker)s” held the run without executing it and gave it back."),
    "released.no_ledger": _(
        "The worker “%(worker)s” could not reach the database to prepare the run, and gave it back."
    ),
    "internal": _("The portal itself failed; its log has the details."),
    "internal.result": _("The result could not be stored; the portal's log has the details."),
    "missing_driver.kind": _("This worker does not know jobs of kind “%(kind)s”."),
    "bad_definition": _("The job's definition can't be run: %(cause)s"),
    "cannot_start.prepare": _("The worker could not prepare the run: %(cause)s."),
    "disk_full.prepare": _("The worker could not prepare the run, its disk is full: free some space there."),
    "worker_lost.lease_expired": _(
        "The worker “%(worker)s” stopped answering; the run was taken over after its lease had expired."
    ),
    "worker_lost.restarted": _("The worker “%(worker)s” died and was started again."),
    "worker_lost.lease_not_kept": _("The worker “%(worker)s” could not keep its lease; the script was ended."),
    "bad_definition.no_datasource": _("There is no datasource “%(slug)s” any more: choose another in the job."),
    "bad_definition.no_statement": _("The script holds no statement: it is empty or a comment."),
    "business.rows_came_back": ngettext_lazy(
        "%(count)d row came back where there should be none.",
        "%(count)d rows came back where there should be none.",
        "count",
    ),
    "business.text_missing": _("The answer does not contain the expected text “%(text)s”."),
    "any.http_status": _("The server answered %(status)d %(reason)s."),
    "any.at_line": _("Line %(line)d: %(cause)s"),
    "right_lost.secret_unavailable": _(
        "The secret “%(name)s” is not available to this run: check that it exists and is among the job's secrets."
    ),
    "missing_driver.interpreter": _(
        "The interpreter “%(name)s” is not installed on this worker: install it there, or change it in the job."
    ),
    "timeout": _("The script ran longer than its time limit of %(seconds)g seconds and was ended."),
    "any.exit_code": _("The script ended with exit code %(code)s."),
    "script_failed.child_signal": _(
        "The script ended with exit code %(code)s: a program in it was ended by signal %(name)s."
    ),
    "script_failed.too_many_processes": _(
        "The script had more than %(limit)s processes at once; it was ended before it took the machine."
    ),
    "script_failed.file_too_large": _("The script wrote a larger file than it may."),
    "signal": _("The script was ended by signal %(name)s, which the portal did not send."),
    "signal.cpu_limit": _("The script used up the CPU time it may use (signal %(name)s)."),
    "signal.crash": _("The script crashed: %(meaning)s (signal %(name)s)."),
    "any.crash_memory": _("it used memory that is not its own"),
    "any.crash_abort": _("it gave itself up"),
    "any.crash_instruction": _("it met an instruction this machine does not know"),
    "any.crash_arithmetic": _("it made an impossible calculation"),
    "any.crash_system_call": _("it asked the kernel for what it may not have"),
    "out_of_memory": _("The kernel ended the script because memory ran out; its largest process had used %(mib)s MiB."),
    "out_of_memory.limit": _(
        "The script needed more than its memory limit of %(limit)s MiB; its largest process had used %(mib)s MiB."
    ),
    "out_of_memory.refused": _(
        "The script asked for more memory than the worker could give; its largest process had used %(mib)s MiB."
    ),
    "out_of_memory.runner": _(
        "The kernel ended the process that owned the script because memory ran out; the script was ended with it."
    ),
    "internal.runner_died": _(
        "The process that owned the script was killed from outside; the script was ended with it."
    ),
    "disk_full": _("The worker's disk is full: the script failed with %(kib)s KiB free in its folder."),
    "cannot_start.not_executable": _("“%(name)s” may not be executed on this worker."),
    "cannot_start.bad_format": _("“%(name)s” is no program: it lacks a first line that names its interpreter."),
    "cannot_start.too_long": _("The arguments and variables are too long: put large values into a file."),
    "cannot_start.bad_value": _("The arguments or variables hold a character that can't be passed on."),
    "cannot_start.no_runner": _("The worker could start no process: look at its load."),
    "cannot_start.missing_cwd": _("The working directory “%(name)s” is not there."),
    "cannot_start.script_not_written": _(
        "The script could not be written on the worker (%(cause)s): free some disk space there."
    ),
    "no_capable_worker.missing": _("The worker “%(worker)s” lacks %(missing)s."),
    "no_capable_worker.memory": _("It needs %(needed)s MiB of memory; the worker “%(worker)s” has %(total)s MiB."),
    "no_capable_worker.cpu": _("It needs %(needed)s cores; the worker “%(worker)s” has %(total)s."),
    "node_busy.cpu": _(
        "The machine of “%(worker)s” is busy: CPU at %(percent)s %%; it takes no more above %(limit)s %%."
    ),
    "node_busy.memory": _(
        "The machine of “%(worker)s” is busy: memory at %(percent)s %%; it takes no more above %(limit)s %%."
    ),
    "node_busy.forced": _("Taken by a busy machine: the run had waited for room since %(due_at)s. %(gate)s"),
    "node_busy.needs_memory": _(
        "It needs %(needed)s MiB of memory; “%(worker)s” has promised all but %(free)s of its %(total)s MiB."
    ),
    "node_busy.needs_cpu": _("It needs %(needed)s cores; “%(worker)s” has promised all but %(free)s of its cores."),
    "queue_paused": _("The queue “%(queue)s” is paused."),
    "queue_limit": _("The queue “%(queue)s” already runs %(count)s of at most %(limit)s runs."),
    "target_node.away": _("It is meant for the worker “%(worker)s”, which has not been seen since %(seen_at)s."),
    "target_node.draining": _("It is meant for the worker “%(worker)s”, which is draining."),
    "no_target": _("No live worker serves the queue “%(queue)s”, so there was none to run it on."),
    "no_target.away": _("The worker “%(worker)s”, for which it was meant, stayed away for %(minutes)s minutes."),
    "shards_failed": _("Of %(total)s parts %(good)s succeeded, %(bad)s failed and %(unrun)s did not run."),
}


class HasReason(Protocol):
    """A run, an attempt or an event."""

    @property
    def reason(self) -> Any: ...

    @property
    def reason_args(self) -> Any: ...


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why something happened to a run: `code` for machines, `key` and `args` for people, or `words` as they are."""

    code: str = ReasonCode.NONE
    key: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    words: str = ""

    @property
    def stored_args(self) -> dict[str, Any]:
        """The column `reason_args`."""
        if not self.key:
            return dict(self.words.source) if isinstance(self.words, Said) else {}
        return {"key": self.key, **{name: _stored(value) for name, value in self.args.items()}}

    @property
    def text(self) -> str:
        """The sentence in the active language, cut to what a row holds."""
        return render(self.words, self.stored_args)[:LONGEST]

    def columns(self) -> dict[str, Any]:
        """The three columns of a run, an attempt or an event."""
        return {"reason_code": self.code, "reason": self.text, "reason_args": self.stored_args}

    def masked(self, mask: Callable[[str], str]) -> Reason:
        """The same with each argument put through `mask`, which hides an attempt's secrets."""
        return replace(self, args=masked(dict(self.args), mask), words=masked(self.words, mask))


def say(code: str, key: str = "", /, **args: Any) -> Reason:
    """The reason with a sentence of SENTENCES; the key is the code's own unless given."""
    return Reason(code=code, key=key or code, args=args)


def quote(code: str, words: str) -> Reason:
    """The reason with somebody else's words: a script's message, an exception's text, a lower layer's `Said`."""
    return Reason(code=code, words=words)


def of(row: HasReason) -> str:
    """The reason of a run, an attempt or an event in the active language; empty when it has none."""
    return render(row.reason, row.reason_args)


def render(text: str, args: Mapping[str, Any] | None) -> str:
    """The stored reason in the active language; the stored text when its sentence is not known (any more)."""
    if not args:
        return text
    try:
        if "msgid" in args:
            return say_again(args)
        sentence = SENTENCES.get(str(args.get("key", "")))
        if sentence is None:
            return text
        return str(sentence % {name: _shown(name, value) for name, value in args.items()})
    except (KeyError, TypeError, ValueError):
        return text or gettext("The reason could not be read.")


def _stored(value: Any) -> Any:
    """An argument as JSON, no longer than a reason may be."""
    if isinstance(value, Reason):
        return value.stored_args or value.text
    if isinstance(value, Said):
        return value.source
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value)[:LONGEST] if isinstance(value, str) else value


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return render("", value)
    if name.endswith("_at") and isinstance(value, str):
        return time_text(datetime.fromisoformat(value))
    return value


def time_text(at: datetime) -> str:
    """2026-11-21 09:00:00 in the reader's zone, with a fraction only where there is one."""
    local = at.astimezone(timezone.get_current_timezone())
    return f"{local:%Y-%m-%d %H:%M:%S}"
