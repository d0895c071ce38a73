"""Channels: what speaks against a change, saving with secrets that are written and never shown, deleting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from pydantic import ValidationError

from accounts.models import User
from alerts import books, channels
from alerts.models import Channel, EscalationStep, NotificationRule
from alerts.parcels import secrets_of
from alerts.transports import TRANSPORTS, Transport
from portal.lib.crypto import CryptoError
from portal.lib.fielderrors import FieldError, FieldErrors, field_errors
from portal.lib.plugins import UnknownKindError

# Settings that say where the secrets are sent to: with others they must be entered again.
PLACES = channels.PLACES | {"encryption", "verify_tls"}


def secret_names(transport: Transport) -> list[str]:
    return list(transport.SECRETS.model_fields)


def refusals(
    channel: Channel, *, params: Mapping[str, Any], secrets: Mapping[str, str], forgets: bool = False
) -> list[FieldError]:
    """What speaks against saving these over what is stored, by field ("params.url", "secrets.token", "fallback").

    An empty secret keeps the stored one, unless all are to be forgotten. Raises `crypto.CryptoError`.
    """
    try:
        transport = TRANSPORTS.get(channel.kind)
    except UnknownKindError:
        words = _("There is no kind of channel named “%(kind)s” here: choose one of the list.")
        return [FieldError(path="kind", message=words % {"kind": channel.kind[:30]})]
    errors = [*_fallback_problems(channel), *_language_problems(channel), *_unknown_secrets(transport, secrets)]
    try:
        clean = transport.Params.model_validate(dict(params)).model_dump(mode="json")
    except ValidationError as error:
        return [*errors, *(found.under("params") for found in field_errors(error))]
    stored = _stored(channel)
    lost = [] if stored is None or forgets else _needed_again(stored, channel.kind, clean, secrets)
    if lost:
        words = _("Enter it again: where it is sent to has changed.")
        return [*errors, *(FieldError(path=f"secrets.{name}", message=words) for name in lost)]
    try:
        transport.SECRETS.model_validate(_merged(channel, transport, secrets, forgets=forgets))
    except ValidationError as error:
        errors += [found.under("secrets") for found in field_errors(error)]
    return errors


def save_channel(
    channel: Channel,
    *,
    actor: User | None,
    params: Mapping[str, Any],
    secrets: Mapping[str, str],
    forgets: bool = False,
) -> Channel:
    """Create or change. What was proven of another address proves nothing of this one.

    Raises FieldErrors with all that is wrong, PermissionDenied, or `crypto.CryptoError` when no key is configured.
    """
    books.require(actor, "add" if channel.pk is None else "change", channel)
    errors = refusals(channel, params=params, secrets=secrets, forgets=forgets)
    if errors:
        raise FieldErrors(errors)
    transport = TRANSPORTS.get(channel.kind)
    stored = _stored(channel)
    clean = transport.Params.model_validate(dict(params)).model_dump(mode="json")
    if stored is None or stored.kind != channel.kind or forgets or any(secrets.values()):
        kept = _merged(channel, transport, secrets, forgets=forgets)
        channels.seal_secrets(channel, kept)
    channel.params = clean
    if stored is not None and (stored.kind, stored.params, stored.secrets_encrypted) != (
        channel.kind, channel.params, channel.secrets_encrypted,
    ):  # fmt: skip
        channel.proven_at = channel.failing_since = None
        channel.failure_count, channel.problem = 0, {}
    books.save(channel, actor=actor)
    return channel


def rules_using(channel: Channel) -> QuerySet[NotificationRule]:
    return NotificationRule.objects.filter(channels=channel).order_by("name")


def steps_using(channel: Channel) -> QuerySet[EscalationStep]:
    return EscalationStep.objects.filter(channels=channel).select_related("policy").order_by("policy__name", "number")


def channels_relying_on(channel: Channel) -> QuerySet[Channel]:
    return Channel.objects.filter(fallback=channel).order_by("name")


def delete_channel(channel: Channel, *, actor: User | None) -> None:
    """Refused while a rule, a step or another channel needs it: nobody would be told, and nobody would know."""
    books.require(actor, "delete", channel)
    if rules_using(channel).exists() or steps_using(channel).exists() or channels_relying_on(channel).exists():
        words = _("The channel “%(name)s” is in use: take it out of its rules, steps and channels first.")
        raise FieldErrors.of("", words % {"name": channel.name})
    books.delete(channel, actor=actor)


def _stored(channel: Channel) -> Channel | None:
    return Channel.objects.filter(pk=channel.pk).first() if channel.pk else None


def _fallback_problems(channel: Channel) -> list[FieldError]:
    try:
        channels.check_fallback(channel, channel.fallback)
    except FieldErrors as refusal:
        return refusal.errors
    return []


def _language_problems(channel: Channel) -> list[FieldError]:
    known = [code for code, _name in settings.LANGUAGES]
    if channel.language in known:
        return []
    words = _("Choose one of: %(choices)s.") % {"choices": ", ".join(known)}
    return [FieldError(path="language", message=words)]


def _unknown_secrets(transport: Transport, secrets: Mapping[str, str]) -> list[FieldError]:
    words = _("There is no setting named “%(name)s” here: check the spelling, or remove it.")
    names = [name for name in secrets if name not in secret_names(transport)]
    return [FieldError(path=f"secrets.{name}", message=words % {"name": name[:60]}) for name in names]


def _needed_again(stored: Channel, kind: str, params: Mapping[str, Any], given: Mapping[str, str]) -> list[str]:
    """The stored secrets that would be sent elsewhere now. Of another kind, none are kept at all."""
    moved = any(stored.params.get(name) != params.get(name) for name in PLACES if name in params)
    if stored.kind != kind or not moved or not stored.secrets_encrypted:
        return []
    return [name for name in names_of_stored(stored) if not given.get(name)]


def names_of_stored(channel: Channel) -> list[str]:
    """Of what can't be opened any more, all that the kind may have."""
    try:
        return list(secrets_of(channel))
    except CryptoError:
        return secret_names(TRANSPORTS.get(channel.kind))


def _merged(channel: Channel, transport: Transport, given: Mapping[str, str], *, forgets: bool) -> dict[str, str]:
    """What is kept with what is given. The stored ones are opened only when one of them is needed."""
    names = secret_names(transport)
    stored = None if forgets or all(given.get(name) for name in names) else _stored(channel)
    before = secrets_of(stored) if stored is not None and stored.kind == channel.kind else {}
    found = {name: given.get(name) or before.get(name, "") for name in names}
    return {name: text for name, text in found.items() if text}
