"""One attempt from claim to end: prepare, run the executor, settle."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils.translation import gettext as _
from pydantic import ValidationError

from jobs.definitions import JobDefinition, definition_errors
from jobs.engine.claim import Claimed, claim
from jobs.engine.execution import Execution, Interrupt
from jobs.engine.finish import Ending, finish
from jobs.engine.inputs import InputRefusedError, connection_opener, environment_of, secrets_for
from jobs.engine.published import definition_of
from jobs.engine.reaper import lose
from jobs.engine.scripts import RunnerScripts
from jobs.engine.settle import REASON_OF_STATUS, status_of_exit
from jobs.engine.worker import Worker
from jobs.executors import KINDS
from jobs.executors.base import TECHNICAL, Context, ExecutorError, Outcome
from jobs.logs import LogWriter
from jobs.models import Run
from jobs.states import AttemptStatus, ReasonCode
from portal.lib.plugins import UnknownKindError

log = logging.getLogger(__name__)
DATABASE_RETRY_SECONDS = 2.0


def work(worker: Worker, queue: str) -> int:
    """Claim and execute runs of the queue until nothing is eligible. Returns how many were executed."""
    done = 0
    while not worker.is_draining:
        claimed = claim(worker.node, queue, kinds=worker.node.capabilities, lease=worker.lease)
        if claimed is None:
            break
        execute(worker, claimed)
        done += 1
    return done


def execute(worker: Worker, claimed: Claimed) -> None:
    """Run one attempt to its end, whatever happens; the ledger learns of it as soon as it can be reached."""
    run = claimed.run
    deadline = claimed.boot + worker.lease.total_seconds()
    writer = LogWriter(claimed.attempt, cap=settings.PORTAL_LOG_BYTES_PER_ATTEMPT)
    execution = Execution(claimed, writer, deadline)
    worker.add(execution)
    work_dir = Path(settings.DATA_DIR) / "work" / f"{run.pk}-{claimed.attempt.number}"
    try:
        outcome = _outcome(worker, execution, work_dir)
        ending = ending_of(execution, outcome)
        _until_written(lambda: _settle(execution, ending))
    finally:
        worker.remove(execution)
        shutil.rmtree(work_dir, ignore_errors=True)


def _outcome(worker: Worker, execution: Execution, work_dir: Path) -> Outcome:
    """The executor's word, or a technical failure with a sentence: nothing escapes."""
    try:
        return _run(worker, execution, work_dir)
    except (ExecutorError, InputRefusedError) as error:
        return Outcome(exit_code=error.exit_code, reason=error.reason, reason_code=error.reason_code)
    except UnknownKindError as error:
        words = _("This worker does not know jobs of kind “%(kind)s”.") % {"kind": error}
        return Outcome(exit_code=TECHNICAL, reason=words, reason_code=ReasonCode.MISSING_DRIVER)
    except ValidationError as error:
        words = _("The job's definition can't be run: %(why)s") % {"why": definition_errors(error)[0]}
        return Outcome(exit_code=TECHNICAL, reason=words, reason_code=ReasonCode.BAD_DEFINITION)
    except OSError as error:
        words = _("The worker could not prepare the run: %(why)s.") % {"why": os.strerror(error.errno or 0)}
        return Outcome(exit_code=TECHNICAL, reason=words, reason_code=ReasonCode.CANNOT_START)
    except Exception:
        log.exception("An executor failed.", extra={"run": execution.claimed.run.pk})
        words = _("The portal itself failed; its log has the details.")
        return Outcome(exit_code=TECHNICAL, reason=words, reason_code=ReasonCode.INTERNAL)


def _run(worker: Worker, execution: Execution, work_dir: Path) -> Outcome:
    run, attempt = execution.claimed.run, execution.claimed.attempt
    definition = definition_of(run)
    executor = KINDS.get(definition.kind)
    missing = executor.missing()
    if missing:
        raise ExecutorError(missing, reason_code=ReasonCode.MISSING_DRIVER)
    secrets = secrets_for(run, definition)
    execution.writer = LogWriter(attempt, secrets=secrets.values(), cap=execution.writer.cap)
    work_dir.mkdir(mode=0o700, parents=True)
    timeout = effective_timeout(run, definition)
    context = Context(
        tenant=run.tenant.slug,
        job=run.job.slug,
        run_id=run.pk,
        attempt=attempt.number,
        scheduled_for=run.scheduled_for,
        params=definition.params,
        run_params=run.params,
        environment=environment_of(definition, secrets, work_dir),
        work_dir=work_dir,
        timeout=timeout,
        deadline=None if timeout is None else time.monotonic() + timeout,
        log=execution.writer,
        run_script=RunnerScripts(worker.runners, execution, timeout=timeout),
        datasource=connection_opener(run),
        on_cancel=execution.on_interrupt,
    )
    return executor.run(context)


def effective_timeout(run: Run, definition: JobDefinition) -> float | None:
    """Seconds: the job's limit, cut by the tenant's."""
    limits: list[timedelta] = [x for x in (definition.timeout, run.tenant.timeout_limit) if x is not None]
    return min(limits).total_seconds() if limits else None


def ending_of(execution: Execution, outcome: Outcome) -> Ending:
    """Status and cause of the attempt. An interrupt counts only if the work had not ended by itself."""
    status = _status(execution, outcome)
    writer = execution.writer
    reason_code = outcome.reason_code or REASON_OF_STATUS.get(status, ReasonCode.NONE)
    if status == AttemptStatus.SUCCEEDED:
        reason_code = ReasonCode.NONE
    return Ending(
        status=status,
        exit_code=outcome.exit_code,
        signal=outcome.signal,
        reason_code=reason_code,
        reason="" if status == AttemptStatus.SUCCEEDED else writer.mask(outcome.reason),
        outputs={name: writer.mask(str(value)) for name, value in outcome.outputs.items()},
        result=_mask_json(outcome.result, writer.mask),
        peak_memory_bytes=outcome.peak_memory_bytes,
        cpu_seconds=outcome.cpu_seconds,
    )


def _status(execution: Execution, outcome: Outcome) -> AttemptStatus:
    if outcome.end == "timeout":
        return AttemptStatus.TIMED_OUT
    if outcome.end == "lease_lost":
        return AttemptStatus.LOST
    was_interrupted = outcome.end == "cancelled" or (execution.interrupted and outcome.exit_code != 0)
    if was_interrupted:
        return {
            Interrupt.RELEASED: AttemptStatus.RELEASED,
            Interrupt.FENCED: AttemptStatus.LOST,
        }.get(execution.interrupted, AttemptStatus.CANCELLED)
    if outcome.reason_code == ReasonCode.BAD_DEFINITION:
        return AttemptStatus.TECHNICAL_FAILURE
    return status_of_exit(outcome.exit_code, dict(definition_of(execution.claimed.run).exit_codes))


def _settle(execution: Execution, ending: Ending) -> None:
    writer, claimed = execution.writer, execution.claimed
    if ending.reason:
        writer.say(ending.reason)
    writer.close()
    if ending.status == AttemptStatus.LOST:
        lose(claimed.run, _("The worker “%(worker)s” could not keep its lease; the script was ended."))
        return
    facts = {"log_bytes": writer.stored_bytes, "log_truncated": writer.is_truncated}
    written = finish(claimed.run, claimed.attempt, Ending(**{**ending.__dict__, **facts}))
    if not written:
        log.warning("The result of a fenced attempt was thrown away.", extra={"run": claimed.run.pk})


def _until_written(write: Callable[[], None]) -> None:
    """Without a database the result waits here, in the slot that made it, until the ledger takes it or refuses it."""
    said = False
    while True:
        try:
            write()
            return
        except DatabaseError as error:
            connection.close()
            if not said:
                log.warning("The ledger can't be reached; a result waits.", extra={"error": str(error)})
            said = True
            time.sleep(DATABASE_RETRY_SECONDS)


def _mask_json(value: Any, mask: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {mask(str(key)): _mask_json(item, mask) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mask_json(item, mask) for item in value]
    return value
