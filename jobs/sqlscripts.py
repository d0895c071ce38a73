"""Scripts of the library in SQL jobs: checked when a job is saved, pinned in its revision, checked when it runs."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.models import User
from datasources import scripts
from datasources.models import DataSource, SqlScriptVersion
from jobs.definitions import JobDefinition
from jobs.executors.sql import SqlParams
from jobs.reasons import Reason, quote
from jobs.runparams import RunParam
from jobs.states import ReasonCode
from portal.lib.fielderrors import FieldError
from portal.lib.runparams import MOST_PARAMS
from portal.lib.said import said


def problems(wanted: JobDefinition, tenant_id: int, actor: User | None) -> list[FieldError]:
    """What speaks against saving a job with this script; nothing for a job without one."""
    params = wanted.params
    if not isinstance(params, SqlParams) or not params.script:
        return []
    if params.sql:
        words = _("Write SQL or choose a script of the library, not both: empty one of them.")
        return [FieldError(path="params.script", message=words)]
    version = scripts.find_version(tenant_id, params.script, params.version)
    if version is None:
        return [_missing(params, tenant_id)]
    found = []
    if len(_merged(wanted, version)) > MOST_PARAMS:
        words = _("The job and its script have too many parameters together: at most %(most)d.")
        found.append(FieldError(path="run_params", message=words % {"most": MOST_PARAMS}))
    source = DataSource.objects.filter(tenant_id=tenant_id, slug=params.datasource).first()
    words = scripts.refusal(version, source, user=actor) if source is not None else ""
    return [*found, FieldError(path="params.script", message=words)] if words else found


def pinned(definition: JobDefinition, tenant_id: int) -> JobDefinition | None:
    """The definition as a revision keeps it: with the script's text, the version's number and its parameters.

    None when the version is no longer there.
    """
    params = definition.params
    if not isinstance(params, SqlParams) or not params.script:
        return definition
    version = scripts.find_version(tenant_id, params.script, params.version)
    if version is None:
        return None
    held = params.model_copy(update={"sql": version.text, "version": version.number})
    return definition.model_copy(update={"params": held, "run_params": _merged(definition, version)})


def of_library(params: object) -> SqlParams | None:
    """The parameters of a job that runs a version of a script; None for any other job."""
    return params if isinstance(params, SqlParams) and params.script else None


def run_refusal(params: SqlParams, tenant_id: int, *, user: User | None) -> Reason | None:
    """Why a run that is pinned to a version of a script may not start; `user` is whose rights it has."""
    version = scripts.find_version(tenant_id, params.script, params.version)
    if version is None or version.text != params.sql:
        words = said("Version %(number)s of the SQL script “%(script)s” was deleted: run the job anew as it is now.")
        return quote(ReasonCode.BAD_DEFINITION, words % {"number": params.version, "script": params.script})
    source = DataSource.objects.filter(tenant_id=tenant_id, slug=params.datasource).first()
    refused = scripts.refusal(version, source, user=user) if source is not None else ""
    return quote(ReasonCode.RIGHT_LOST, refused) if refused else None


def _missing(params: SqlParams, tenant_id: int) -> FieldError:
    if params.version is not None and scripts.find_version(tenant_id, params.script) is not None:
        words = _("The SQL script “%(script)s” has no version %(number)d: look at its versions.")
        facts = {"script": params.script, "number": params.version}
        return FieldError(path="params.version", message=words % facts)
    words = _("There is no SQL script “%(script)s” in this tenant: choose another, or make it first.")
    return FieldError(path="params.script", message=words % {"script": params.script})


def _merged(definition: JobDefinition, version: SqlScriptVersion) -> tuple[RunParam, ...]:
    """What a run is asked for: the job's own parameters, and the script's that the job does not say otherwise."""
    own = {param.name for param in definition.run_params}
    more = [param for param in scripts.params_of(version) if param.name not in own]
    return (*definition.run_params, *more)
