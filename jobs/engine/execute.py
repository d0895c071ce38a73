"""One attempt from claim to end: prepare, run the executor, settle."""

from __future__ import annotations

import errno
import logging
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import InterfaceError, OperationalError, connection
from pydantic import ValidationError

from jobs.definitions import JobDefinition, definition_errors
from jobs.engine import owners
from jobs.engine.claim import Claimed
from jobs.engine.desk import Turn
from jobs.engine.execution import Execution, Interrupt, fence_expired
from jobs.engine.finish import Ending, Finished, finish_refused, without_payload
from jobs.engine.inputs import (
    InputRefusedError,
    RunWrites,
    check_script,
    connection_opener,
    environment_of,
    secrets_for,
    shard_variables,
)
from jobs.engine.offers import forced_by_patience
from jobs.engine.published import definition_of
from jobs.engine.scripts import RunnerScripts
from jobs.engine.settle import REASON_OF_STATUS, status_of_exit
from jobs.engine.worker import Worker
from jobs.executors import KINDS
from jobs.executors.base import TECHNICAL, Context, ExecutorError, Outcome
from jobs.logquota import cap_for, cut_sentence
from jobs.logs import LogWriter
from jobs.models import Run
from jobs.reasons import Reason, say
from jobs.states import AttemptStatus, ReasonCode
from portal.lib.logconf import about
from portal.lib.plugins import UnknownKindError
from portal.lib.text import storable

log = logging.getLogger(__name__)
DATABASE_RETRY_SECONDS = 2.0
MOST_RELEASED = 10  # then the trouble is no passing one


def work(worker: Worker, queue: str, *, is_bell: bool = True, claimed: Claimed | None = None) -> int:
    """Claim and execute runs of the queue until nothing is eligible. Returns how many were executed.

    It begins with the one that was `claimed` for it. A bell (not a slot that another one has woken) takes runs for
    the idle slots too, and wakes those for which there are more.
    """
    done = 0
    claimed = claimed or _hand_in(worker, queue, None, is_bell=is_bell)
    while claimed is not None:
        this = claimed
        try:
            with about(run_id=this.run.pk, job_id=this.run.job_id, attempt=this.attempt.number):
                finished = execute(worker, this)
            claimed = _hand_in(worker, queue, finished)
        finally:
            worker.holdings.drop(this)
        done += 1
    return done


def execute(worker: Worker, claimed: Claimed) -> Finished:
    """Run one attempt to its end, whatever happens; the caller hands the end in and drops what is held."""
    run, attempt = claimed.run, claimed.attempt
    execution = worker.holdings.of(claimed)
    work_dir = worker.folder / f"{run.pk}-{attempt.number}"
    try:
        outcome = _too_late(execution) or _outcome(worker, execution, work_dir)
        return _finished(execution, ending_of(execution, outcome))
    except Exception:
        log.exception("An attempt's end could not be told; it counts as the portal's failure.")
        failed = Ending.because(AttemptStatus.TECHNICAL_FAILURE, say(ReasonCode.INTERNAL))
        return Finished(run=run, attempt=attempt, ending=failed)
    finally:
        shutil.rmtree(work_dir, ignore_errors=True)
        owners.forget(run.pk, attempt.number)


def _finished(execution: Execution, ending: Ending) -> Finished:
    """With what the log still holds, and what is known only now."""
    writer, claimed = execution.writer, execution.claimed
    if ending.status == AttemptStatus.LOST:
        ending = Ending.because(
            AttemptStatus.LOST,
            say(ReasonCode.WORKER_LOST, "worker_lost.lease_not_kept", worker=claimed.attempt.worker_name),
        )
    elif ending.status == AttemptStatus.RELEASED and not ending.reason:
        ending = Ending.because(AttemptStatus.RELEASED, say(ReasonCode.RELEASED, worker=claimed.attempt.worker_name))
    if writer.is_truncated:
        writer.say(cut_sentence(writer.cap))
    if ending.reason:
        writer.say(ending.reason)
    chunks = writer.take_rest()
    facts: dict[str, Any] = {
        "log_bytes": writer.stored_bytes,
        "log_truncated": writer.is_truncated,
        "pid": execution.pid,
    }
    return Finished(
        run=claimed.run,
        attempt=claimed.attempt,
        ending=replace(ending, **facts),
        chunks=chunks,
        is_doubtful=writer.is_doubtful,
    )


def _hand_in(worker: Worker, queue: str, finished: Finished | None, *, is_bell: bool = False) -> Claimed | None:
    """Settle what was finished and get the next run. Without a ledger the result goes to the spool."""
    turn = Turn(queue=queue if worker.is_claiming else "", finished=finished, is_bell=is_bell)
    served = worker.desk.turn(turn)
    if served.extras:
        worker.desk.let_start(len(served.extras))
        worker.hand_out(queue, served.extras)
    if served.more:
        worker.desk.expect(served.more)
        worker.wakeup.wake(queue, served.more)
    if finished is not None and served.unsettled is not None:
        _keep(worker, finished, served.unsettled)
    elif finished is not None and not served.written:
        log.warning("The result of a fenced attempt was thrown away.", extra={"run": finished.run.pk})
    if served.unclaimed is not None:
        log.warning("No run could be claimed; the sweep tries again.", extra={"error": str(served.unclaimed)})
    return served.claimed


def _keep(worker: Worker, finished: Finished, error: Exception) -> None:
    """To the spool when the ledger is away; a result that the ledger refuses is replaced by a plain failure."""
    if isinstance(error, OperationalError | InterfaceError):
        log.warning("The ledger can't be reached; a result is kept on disk.", extra={"error": str(error)})
        try:
            worker.spool.keep(finished)
            return
        except OSError:
            log.exception("A result could not be kept on disk; it waits in memory.")
    else:
        log.error("The ledger refused a result.", exc_info=error, extra={"run": finished.run.pk})
        finished = without_payload(finished)
    _until_written(finished)


def _until_written(finished: Finished) -> None:
    """The last resort: the result waits here, in the slot that made it, until the ledger takes it or refuses it."""
    while True:
        try:
            finish_refused(finished)
            return
        except (OperationalError, InterfaceError):
            connection.close()
            time.sleep(DATABASE_RETRY_SECONDS)


def _outcome(worker: Worker, execution: Execution, work_dir: Path) -> Outcome:
    """The executor's word, or a technical failure with a sentence."""
    try:
        return _run(worker, execution, work_dir)
    except (OperationalError, InterfaceError) as error:
        return _without_ledger(execution, error)
    except (ExecutorError, InputRefusedError) as error:
        return Outcome.because(error.why, exit_code=error.exit_code)
    except UnknownKindError as error:
        why = say(ReasonCode.MISSING_DRIVER, "missing_driver.kind", kind=str(error))
    except ValidationError as error:
        why = say(ReasonCode.BAD_DEFINITION, cause=str(definition_errors(error)[0]))
    except OSError as error:
        why = _os_trouble(error)
    except Exception:
        log.exception("An executor failed.", extra={"run": execution.claimed.run.pk})
        why = say(ReasonCode.INTERNAL)
    return Outcome.because(why, exit_code=TECHNICAL)


def _too_late(execution: Execution) -> Outcome | None:
    """Of an attempt that was interrupted, or whose lease ran out, before a slot came for it."""
    fence_expired([execution])
    return Outcome(exit_code=None, end="cancelled") if execution.interrupted else None


def _without_ledger(execution: Execution, error: Exception) -> Outcome:
    """What its absence kept from beginning goes back to the queue: nothing of the job has happened."""
    run = execution.claimed.run
    log.warning("The ledger went away in an attempt.", extra={"run": run.pk, "error": str(error)})
    connection.close()  # the thread's next run must not find a dead one
    if execution.is_begun or run.released_count >= MOST_RELEASED:
        return Outcome.because(say(ReasonCode.INTERNAL), exit_code=TECHNICAL)
    why = say(ReasonCode.RELEASED, "released.no_ledger", worker=execution.claimed.attempt.worker_name)
    return Outcome.because(why, exit_code=None, end="released")


def _os_trouble(error: OSError) -> Reason:
    """The worker's own trouble before or around the script."""
    code = ReasonCode.DISK_FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else ReasonCode.CANNOT_START
    return say(code, f"{code}.prepare", cause=os.strerror(error.errno or 0))


def _run(worker: Worker, execution: Execution, work_dir: Path) -> Outcome:
    run, attempt = execution.claimed.run, execution.claimed.attempt
    definition = definition_of(run)
    executor = KINDS.get(definition.kind)
    missing = executor.missing()
    if missing:
        raise ExecutorError(missing, reason_code=ReasonCode.MISSING_DRIVER)
    check_script(run, definition)
    secrets = secrets_for(run, definition)
    execution.exit_codes = dict(definition.exit_codes)
    execution.writer = LogWriter(attempt, secrets=secrets.values(), cap=cap_for(run.tenant_id))
    if forced := forced_by_patience(worker, execution.claimed):
        execution.writer.say(forced.text)
    worker.spares.make(work_dir)
    timeout = effective_timeout(run, definition)
    context = Context(
        tenant=run.tenant.slug,
        job=run.job.slug,
        run_id=run.pk,
        attempt=attempt.number,
        scheduled_for=run.scheduled_for,
        params=definition.params,
        run_params=run.params,
        environment={**environment_of(definition, secrets, work_dir), **shard_variables(run)},
        work_dir=work_dir,
        timeout=timeout,
        deadline=None if timeout is None else time.monotonic() + timeout,
        log=execution.writer,
        run_script=RunnerScripts(worker.runners, execution, timeout=timeout),
        datasource=connection_opener(run),
        on_cancel=execution.on_interrupt,
        writes=RunWrites(run),
    )
    execution.is_begun = True
    return executor.run(context)


def effective_timeout(run: Run, definition: JobDefinition) -> float | None:
    """Seconds: the job's limit, cut by the tenant's."""
    limits: list[timedelta] = [x for x in (definition.timeout, run.tenant.timeout_limit) if x is not None]
    return min(limits).total_seconds() if limits else None


def ending_of(execution: Execution, outcome: Outcome) -> Ending:
    """Status and cause of the attempt. An interrupt counts only if the work had not ended by itself."""
    status = _status(execution, outcome)

    def clean(text: str) -> str:
        return storable(execution.writer.mask(text))

    is_fine = status == AttemptStatus.SUCCEEDED
    reason_code = outcome.reason_code or REASON_OF_STATUS.get(status, ReasonCode.NONE)
    return Ending(
        status=status,
        exit_code=outcome.exit_code,
        signal=outcome.signal,
        reason_code=ReasonCode.NONE if is_fine else reason_code,
        reason="" if is_fine else clean(outcome.reason),
        reason_args={} if is_fine else _cleaned(dict(outcome.reason_args), clean),
        outputs={name: clean(str(value)) for name, value in outcome.outputs.items()},
        result=_cleaned(outcome.result, clean),
        peak_memory_bytes=outcome.peak_memory_bytes,
        cpu_seconds=outcome.cpu_seconds,
    )


def _status(execution: Execution, outcome: Outcome) -> AttemptStatus:
    if outcome.end == "timeout":
        return AttemptStatus.TIMED_OUT
    if outcome.end == "lease_lost":
        return AttemptStatus.LOST
    if outcome.end == "released":
        return AttemptStatus.RELEASED
    was_interrupted = outcome.end == "cancelled" or (execution.interrupted and outcome.exit_code != 0)
    if was_interrupted:
        return {
            Interrupt.RELEASED: AttemptStatus.RELEASED,
            Interrupt.FENCED: AttemptStatus.LOST,
        }.get(execution.interrupted, AttemptStatus.CANCELLED)
    if outcome.reason_code == ReasonCode.BAD_DEFINITION:
        return AttemptStatus.TECHNICAL_FAILURE
    return status_of_exit(outcome.exit_code, dict(execution.exit_codes))


def _cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    """Every text in it, names too: masked, and without what a ledger can't hold."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): _cleaned(item, clean) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item, clean) for item in value]
    return value
