"""What an attempt is given: variables, secrets, connections. Rights are checked again here, at run time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from accounts.models import User
from datasources import approvals
from datasources.approvals import Change
from datasources.connections import AccessRefusedError, secret_values, target_for
from datasources.models import DataSource
from datasources.target import Allowance, ConnectionTarget
from jobs import sqlscripts
from jobs.definitions import JobDefinition
from jobs.executors.base import TECHNICAL
from jobs.models import Run
from jobs.reasons import Reason, quote, say
from jobs.states import ReasonCode

# The only variables of the worker that a script sees.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class InputRefusedError(Exception):
    """The run may not start: a right is gone, or something it needs is."""

    def __init__(self, why: Reason) -> None:
        super().__init__(why.text)
        self.why = why
        self.reason, self.reason_code, self.reason_args = why.text, why.code, why.stored_args
        self.exit_code = TECHNICAL


def author_of(run: Run) -> User | None:
    """Whose rights the run uses: the author of its revision; None is the platform itself (a definitions file)."""
    return run.revision.author


def secrets_for(run: Run, definition: JobDefinition) -> dict[str, str]:
    """Name → value of the secrets the job names, if its author may still use them."""
    if not definition.secrets:
        return {}
    try:
        return secret_values(run.tenant, list(definition.secrets), user=author_of(run))
    except AccessRefusedError as error:
        raise InputRefusedError(quote(ReasonCode.RIGHT_LOST, error.sentence)) from error


def check_script(run: Run, definition: JobDefinition) -> None:
    """A script of the library: its version is still there, and those whose rights it needs still have them."""
    params = sqlscripts.of_library(definition.params)
    if params is None:
        return  # without asking who the author is: a question to the ledger before each script would delay them all
    why = sqlscripts.run_refusal(params, run.tenant_id, user=author_of(run))
    if why is not None:
        raise InputRefusedError(why)


def connection_opener(run: Run) -> Callable[[str], ConnectionTarget]:
    """How the executor gets a datasource by slug: resolved and allowed at that moment, within the tenant."""

    def resolve(slug: str) -> ConnectionTarget:
        source = DataSource.objects.filter(tenant_id=run.tenant_id, slug=slug).first()
        if source is None:
            raise InputRefusedError(say(ReasonCode.BAD_DEFINITION, "bad_definition.no_datasource", slug=slug))
        try:
            return target_for(source, user=author_of(run))
        except AccessRefusedError as error:
            raise InputRefusedError(quote(ReasonCode.RIGHT_LOST, error.sentence)) from error

    return resolve


class RunWrites:
    """What a run asks a second person, and what it was allowed: `executors.base.WriteGate`."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def spend(self, slug: str, sql: str) -> Allowance | None:
        return approvals.spend(self._source(slug), self._change(sql), actor=author_of(self.run))

    def ask(self, slug: str, sql: str, affected: int | None, reason: str) -> None:
        """In the author's name; where the platform is the author, whoever started the run is no second person."""
        author = author_of(self.run)
        asked_by = author or self.run.requested_by
        change, source = self._change(sql), self._source(slug)
        approvals.ask(source, change, actor=author, affected=affected, reason=reason, asked_by=asked_by)

    def _source(self, slug: str) -> DataSource:
        return DataSource.objects.get(tenant_id=self.run.tenant_id, slug=slug)

    def _change(self, sql: str) -> Change:
        return Change(statement=sql, values=self.run.params, purpose=f"{self.run.job.slug} #{self.run.pk}")


def environment_of(definition: JobDefinition, secrets: Mapping[str, str], work_dir: Path) -> dict[str, str]:
    """A script's environment: an allow-list of the worker's own, then the job's variables, then its secrets."""
    env = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    env.setdefault("PATH", DEFAULT_PATH)
    env.setdefault("LANG", "C.UTF-8")
    env |= {"HOME": str(work_dir), "TMPDIR": str(work_dir), "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    env |= definition.environment
    return {**env, **secrets}


def shard_variables(run: Run) -> dict[str, str]:
    """Which part of how many a script is; nothing for a run that is whole."""
    if run.shard_index is None:
        return {}
    index, total = str(run.shard_index), str(run.shard_total or 1)
    return {
        "SHARD_INDEX": index,
        "SHARD_TOTAL": total,
        "PORTAL_SHARD_INDEX": index,
        "PORTAL_SHARD_TOTAL": total,
    }
