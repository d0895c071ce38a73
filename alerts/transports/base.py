"""What a transport is: a class with `kind`, `label`, `Params`, `SECRETS` and one verb, `send`.

A transport sees one message and no row: whoever calls `deliver` keeps the outbox, the tries and the times between them.
Third parties add kinds through the entry-point group "portal.alert_transports".
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Literal

from django.utils.functional import Promise
from pydantic import ValidationError

from alerts.params import Params
from alerts.transports.masking import masker
from alerts.transports.message import Message
from portal.lib.fielderrors import field_errors
from portal.lib.plugins import Registry, UnknownKindError
from portal.lib.said import Said, masked
from portal.lib.said import said as _

log = logging.getLogger(__name__)
Recipients = tuple[str, ...]
Mask = Callable[[str], str]
Model = type[Params]


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A recipient the service would not take, while it took others. Try again with these alone unless permanent."""

    recipient: str
    sentence: str
    is_permanent: bool

    @property
    def stored(self) -> dict[str, Any]:
        """As JSON for a row, as of DeliveryError."""
        return _stored(self.sentence)


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The service took the message. `remote_id` is its name there; `refused` those who do not get it."""

    remote_id: str = ""
    refused: tuple[Refusal, ...] = ()
    is_cut: bool = False

    @property
    def to_retry(self) -> Recipients:
        """Whom to send it to again."""
        return tuple(one.recipient for one in self.refused if not one.is_permanent)


class DeliveryError(Exception):
    """It was not delivered, in one sentence. Permanent: another try of the same would fail as well.

    `retry_after` is the least time the service wants to be left alone for.
    """

    def __init__(self, sentence: str, *, is_permanent: bool = False, retry_after: timedelta | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.is_permanent = is_permanent
        self.retry_after = None if is_permanent else retry_after

    @property
    def stored(self) -> dict[str, Any]:
        """As JSON for a row, which `alerts.wording.render` says in any language; {} when it is another's words."""
        return _stored(self.sentence)


def _stored(sentence: str) -> dict[str, Any]:
    return dict(sentence.source) if isinstance(sentence, Said) else {}


class NoSecrets(Params):
    """Nothing to keep secret."""


class Transport(ABC):
    """One kind of channel.

    `SECRETS` is a model of texts (each `Shown(secret=True)`), which are written and never shown. `has_recipients`: a
    message goes to people named in the settings or by `to`; otherwise it goes to the place the settings name, and
    `to` may at most mention people there. `addresses` says what `to` holds, "" where it has no meaning. A message
    longer than `longest_body` (in a `unit` of `portal.lib.text.SIZES`) is cut, visibly. `per_minute` is what the
    service takes.
    """

    kind: ClassVar[str]
    label: ClassVar[str | Promise]
    icon: ClassVar[str] = "send"  # a Material Symbols name
    Params: ClassVar[Model]
    SECRETS: ClassVar[Model] = NoSecrets
    has_recipients: ClassVar[bool] = False
    addresses: ClassVar[Literal["", "email", "phone"]] = ""
    per_minute: ClassVar[int | None] = None
    longest_body: ClassVar[int | None] = None
    unit: ClassVar[str] = "characters"

    @abstractmethod
    def send(self, params: Any, secrets: Any, message: Message, to: Recipients | None) -> Receipt:
        """Deliver it once, within the time the settings give; raise DeliveryError otherwise.

        `to` replaces the people of the settings; None keeps them.
        """

    def deliver(
        self, params: Mapping[str, Any], secrets: Mapping[str, str], message: Message, to: Recipients | None = None
    ) -> Receipt:
        """`send` with stored settings. Raises nothing but DeliveryError, and no secret gets out with it."""
        mask = masker(secrets)
        try:
            settings = self.Params.model_validate(dict(params))
            keys = self.SECRETS.model_validate(dict(secrets))
            return _masked_receipt(self.send(settings, keys, message.cleaned(), to), mask)
        except Exception as error:
            failure = self._failure(error, mask)
        raise failure  # out here it has no context, which could show a secret

    def _failure(self, error: Exception, mask: Mask) -> DeliveryError:
        if isinstance(error, DeliveryError):
            sentence = masked(error.sentence, mask)
            return DeliveryError(sentence, is_permanent=error.is_permanent, retry_after=error.retry_after)
        if isinstance(error, ValidationError):
            cause = mask("; ".join(str(one) for one in field_errors(error))[:300])
            words = _("The channel's settings can't be used (%(cause)s): open the channel and save it again.")
            return DeliveryError(words % {"cause": cause}, is_permanent=True)
        cause = mask(f"{type(error).__name__}: {error}"[:200])
        log.error("The transport %s failed: %s", self.kind, cause)
        words = _("The channel's kind “%(kind)s” itself failed (%(cause)s): tell the people who run the portal.")
        return DeliveryError(words % {"kind": self.kind, "cause": cause})


TRANSPORTS: Registry[Transport] = Registry("portal.alert_transports")


def deliver(
    kind: str,
    params: Mapping[str, Any],
    secrets: Mapping[str, str],
    message: Message,
    to: Recipients | None = None,
) -> Receipt:
    """Send a message through a stored channel; DeliveryError for all that can go wrong."""
    try:
        transport = TRANSPORTS.get(kind)
    except UnknownKindError:
        words = _("This portal does not know channels of kind “%(kind)s”: install it, or choose another.")
        raise DeliveryError(words % {"kind": kind}, is_permanent=True) from None
    return transport.deliver(params, secrets, message, to)


def recipients_of(configured: Recipients, to: Recipients | None) -> Recipients:
    """Who gets it, each once; DeliveryError when it is nobody."""
    chosen = tuple(dict.fromkeys(configured if to is None else to))
    if not chosen:
        words = _("The channel has no recipient: name one in its settings, or in the rule that uses it.")
        raise DeliveryError(words, is_permanent=True)
    return chosen


def all_refused(refused: list[Refusal]) -> DeliveryError:
    """Nobody gets it. It is tried again as long as one of them may still be reached."""
    worst = next((one for one in refused if not one.is_permanent), refused[0])
    return DeliveryError(worst.sentence, is_permanent=all(one.is_permanent for one in refused))


def _masked_receipt(receipt: Receipt, mask: Mask) -> Receipt:
    refused = tuple(
        Refusal(recipient=one.recipient, sentence=masked(one.sentence, mask), is_permanent=one.is_permanent)
        for one in receipt.refused
    )
    return Receipt(remote_id=mask(receipt.remote_id)[:200], refused=refused, is_cut=receipt.is_cut)
