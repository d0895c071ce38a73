"""Incoming webhooks: their secrets, and calls that start a job once each, or are refused and kept with the reason."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from accounts import audit
from accounts.models import User
from accounts.permissions import can
from alerts import books, signing
from alerts.models import HookCall, IncomingHook
from jobs import runs
from jobs.models import Run
from jobs.runparams import RunParamsError
from jobs.states import Origin
from portal.lib import plainjson
from portal.lib.crypto import CryptoError
from portal.lib.encrypted import seal, unseal
from portal.lib.said import said as _

COLUMN = "secret_encrypted"
LARGEST_BODY = 256 * 1024
MOST_CALLS = 60  # a minute, for one webhook: signed ones; of the others as many are kept
MINUTE = timedelta(minutes=1)
DEEPEST = 20


@dataclass(frozen=True, kw_only=True)
class Call:
    """One POST as it came."""

    headers: Mapping[str, str]
    body: bytes
    address: str
    at: datetime


class CallRefusedError(Exception):
    """`status` is what the caller gets. Before the signature is known to be good it learns nothing else."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


# --- configuring ------------------------------------------------------------------------------------------------------


def save_hook(hook: IncomingHook, *, actor: User) -> str:
    """Create or change. The secret of a new one, to be shown once; empty for one that has it already.

    Raises `CryptoError` when no key is configured, PermissionDenied.
    """
    secret = ""
    if not hook.secret_encrypted:
        secret = _new_secret(hook)
    books.save(hook, actor=actor)
    return secret


def renew_secret(hook: IncomingHook, *, actor: User) -> str:
    """A new secret, to be shown once; the old one is worth nothing from now on."""
    books.require(actor, "change", hook)
    secret = _new_secret(hook)
    with transaction.atomic():
        hook.save(update_fields=[COLUMN, "updated_at"])
        audit.record("alerts.incominghook.secret_renewed", actor=actor, target=hook)
    return secret


def _new_secret(hook: IncomingHook) -> str:
    secret = secrets.token_urlsafe(32)
    seal(hook, COLUMN, secret)
    return secret


# --- being called -----------------------------------------------------------------------------------------------------


def accept(hook: IncomingHook | None, call: Call) -> Run:
    """The run that the call starts. CallRefusedError otherwise; what was refused is kept too.

    Of no hook, of one that is switched off and of a wrong signature the caller learns the same: 401.
    """
    if hook is None or not hook.is_enabled or not hook.secret_encrypted:
        _verified("x" * 43, call)  # as much work as for a real one
        if hook is not None:
            _keep_refused(hook, call, _("The webhook is switched off."))
        raise CallRefusedError(401, _("The call was not accepted."))
    try:
        replay_key = signing.verify_hook(unseal(hook, COLUMN), call.headers, call.body, call.at)
    except (signing.HookRefusedError, CryptoError) as error:
        _keep_refused(hook, call, str(error))
        raise CallRefusedError(401, _("The call was not accepted.")) from None
    if _calls_lately(hook, call.at, is_signed=True) >= MOST_CALLS:
        words = _("More than %(count)d calls came within a minute: call less often.")
        raise CallRefusedError(429, words % {"count": MOST_CALLS})
    return _started(hook, call, replay_key)


def _verified(secret: str, call: Call) -> bool:
    try:
        return bool(signing.verify_hook(secret, call.headers, call.body, call.at))
    except signing.HookRefusedError:
        return False


def _started(hook: IncomingHook, call: Call, replay_key: str) -> Run:
    """The call's row and its run come into being together; the unique key lets one call start one run."""
    try:
        with transaction.atomic():
            row = HookCall.objects.create(hook=hook, replay_key=replay_key, at=call.at, address=call.address)
            run = _run(hook, call)
            row.is_accepted, row.run = True, run
            row.save(update_fields=["is_accepted", "run"])
            IncomingHook.objects.filter(pk=hook.pk).update(last_call_at=call.at)
            details = {"job": hook.job.slug, "address": call.address}
            audit.record(
                "alerts.incominghook.called", actor=None, target=hook, summary=f"{hook} #{run.pk}", details=details
            )
            return run
    except IntegrityError:
        words = _("This very call came before: sign each call anew, with the time it is made.")
        _keep_refused(hook, call, words)
        raise CallRefusedError(409, words) from None
    except CallRefusedError as refusal:
        _keep_refused(hook, call, refusal.sentence, replay_key=replay_key)
        raise


def _run(hook: IncomingHook, call: Call) -> Run:
    maker = hook.created_by
    if maker is None or not can(maker, "run", hook.job):
        words = _("Who made the webhook may not run the job any more: a tenant admin saves it anew.")
        raise CallRefusedError(409, words)
    params = read_params(hook.param_map, call.body)
    try:
        with transaction.atomic():
            return runs.create_run(hook.job, origin=Origin.API, params=params)
    except RunParamsError as error:
        raise CallRefusedError(422, " ".join(str(one) for one in error.errors)) from None
    except runs.RunRefusedError as error:
        raise CallRefusedError(409, str(error)) from None


def read_params(param_map: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """{run parameter: value} of the JSON body; what is not there is left out. CallRefusedError for other bodies."""
    if not param_map:
        return {}
    try:
        content = plainjson.read(body)
    except (ValueError, RecursionError):
        raise CallRefusedError(400, _("The body must be JSON: parameters are read from it.")) from None
    found = {}
    for name, path in param_map.items():
        value = _value_at(content, path)
        if isinstance(value, dict | list):
            words = _("“%(path)s” holds several values: name one of them for the parameter “%(name)s”.")
            raise CallRefusedError(422, words % {"path": path, "name": name})
        if value is not None:
            found[name] = value
    return found


def _value_at(content: Any, path: str) -> Any:
    """ "items.0.id": names and places in lists; None when there is nothing."""
    for part in path.split(".")[:DEEPEST]:
        if isinstance(content, dict):
            content = content.get(part)
        elif isinstance(content, list) and part.isdecimal() and int(part) < len(content):
            content = content[int(part)]
        else:
            return None
    return content


def _calls_lately(hook: IncomingHook, at: datetime, *, is_signed: bool) -> int:
    """Signed ones have a replay key. The others anybody can make: they must not count against those with the secret."""
    rows = HookCall.objects.filter(at__gt=at - MINUTE, hook=hook, replay_key__isnull=not is_signed)
    return rows.count()


def _keep_refused(hook: IncomingHook, call: Call, why: str, *, replay_key: str | None = None) -> None:
    """A flood of wrong calls fills no table: of one minute as many are kept as may be accepted."""
    if _calls_lately(hook, call.at, is_signed=replay_key is not None) >= MOST_CALLS:
        return
    try:
        with transaction.atomic():
            HookCall.objects.create(hook=hook, at=call.at, address=call.address, why=why[:300], replay_key=replay_key)
    except IntegrityError:  # the same call came twice at once, and the other one is kept
        return
