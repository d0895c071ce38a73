"""The channels of a definitions file. Their secrets come as ${env:NAME} and never get out again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from django.utils.translation import gettext as _
from pydantic import Field, model_validator

from accounts.models import Tenant, User
from alerts import books, channelsettings, lengths
from alerts.models import Channel
from alerts.parcels import secrets_of
from alerts.transports import TRANSPORTS
from alerts.transports.masking import masker
from alerts.yamlfile.lookups import Lookup, text_refusals, without_empty
from jobs.yamlfile.entries import Entry, check_secret, filled, parsed
from jobs.yamlfile.sections import Reading, Saved, Section, Wanted
from jobs.yamlfile.sources import HIDDEN
from jobs.yamlfile.writer import defaults_of, unlike
from portal.lib.crypto import CryptoError
from portal.lib.durations import format_duration
from portal.lib.fielderrors import FieldError, FieldErrors
from portal.lib.paramtypes import Duration
from portal.lib.plugins import UnknownKindError

LANGUAGE = str(Channel._meta.get_field("language").default)


class ChannelEntry(Entry):
    """`secrets` that are not given stay, and so does whether it is active; `fallback` is the slug of a channel."""

    slug: str = Field(min_length=1)
    kind: str
    name: str = ""
    description: str = ""
    params: dict[str, Any] = Field(default_factory=dict)
    secrets: dict[str, str] = Field(default_factory=dict, repr=False)
    language: str = LANGUAGE
    fallback: str = ""
    drill_every: Annotated[Duration, lengths.DRILL.validator] | None = None
    active: bool | None = None

    @model_validator(mode="after")
    def _no_secret_in_the_file(self) -> ChannelEntry:
        for name, text in self.secrets.items():
            check_secret(text, f"secrets.{name}")
        return self


def read(value: Any, reading: Reading) -> Wanted:
    entry: ChannelEntry = parsed(ChannelEntry, value)
    secrets = {name: filled(text, reading.variables, f"secrets.{name}") for name, text in entry.secrets.items()}
    return Wanted(entry=entry.model_copy(update={"secrets": secrets}))


def arrange(wanted: Sequence[Wanted]) -> Sequence[Wanted]:
    """Whoever takes over stands before the channel for which it does."""
    by_slug = {one.entry.slug: one for one in wanted}
    done: dict[str, Wanted] = {}
    for one in wanted:
        chain: dict[str, Wanted] = {}
        current: Wanted | None = one
        while current is not None and current.entry.slug not in done:
            if current.entry.slug in chain:
                words = _("“%(name)s” comes back to this channel: choose one that does not.")
                message = words % {"name": current.entry.fallback[:60]}
                raise FieldErrors.of(f"{current.place}.fallback", message)
            chain[current.entry.slug] = current
            current = by_slug.get(current.entry.fallback)
        done.update(reversed(chain.items()))
    return list(done.values())


def save(tenant: Tenant, wanted: Wanted, actor: User | None) -> Saved:
    """Create or update by slug."""
    entry: ChannelEntry = wanted.entry
    stored = Channel.objects.select_for_update().filter(tenant=tenant, slug=entry.slug).first()
    before = entry_of(stored) if stored else None
    row = _filled(stored or Channel(tenant=tenant, slug=entry.slug), entry, actor)
    try:
        return before, _saved(row, entry, before, actor)
    except CryptoError as error:
        raise FieldErrors.of("secrets", str(error)) from None
    except FieldErrors as refused:
        mask = masker(entry.secrets)
        raise FieldErrors([FieldError(path=one.path, message=mask(one.message)) for one in refused.errors]) from None


def _filled(row: Channel, entry: ChannelEntry, actor: User | None) -> Channel:
    lookup = Lookup(row.tenant, actor)
    row.kind, row.name, row.description = entry.kind, entry.name or row.name or entry.slug, entry.description
    row.language, row.drill_every = entry.language, entry.drill_every
    row.fallback = lookup.one(Channel, entry.fallback, "fallback")
    row.is_active = row.is_active if entry.active is None else entry.active
    lookup.done()
    return row


def _saved(row: Channel, entry: ChannelEntry, before: Any, actor: User | None) -> Any:
    """The entry afterwards. What is there already is not written again: a proof of delivery would be lost."""
    errors = text_refusals(row, "slug", "name")
    errors += channelsettings.refusals(row, params=entry.params, secrets=entry.secrets)
    if errors:
        raise FieldErrors(errors)
    if entry.secrets:
        books.require(actor, "change" if row.pk else "add", row)
    is_moved = row.pk is not None and _clean(row.kind, entry.params) != _clean(row.kind, row.params)
    row.params = _clean(row.kind, entry.params)
    changed = _changed_secrets(row, entry.secrets)
    after = entry_of(row)
    if before == after and not changed:
        return before
    given = entry.secrets if changed or is_moved else {}
    channelsettings.save_channel(row, actor=actor, params=entry.params, secrets=given)
    return {**after, "secrets": dict.fromkeys(changed, HIDDEN)} if changed else after


def _changed_secrets(row: Channel, given: Mapping[str, str]) -> list[str]:
    """The names of those that are not stored like that."""
    try:
        stored = secrets_of(row)
    except CryptoError:  # what is stored can't be read any more
        stored = {}
    return [name for name, text in given.items() if text and text != stored.get(name)]


def _clean(kind: str, params: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return TRANSPORTS.get(kind).Params.model_validate(dict(params)).model_dump(mode="json")
    except ValueError:  # of another kind than the row had
        return dict(params)


def entry_of(row: Channel) -> dict[str, Any]:
    """One channel as the file says it, without its secrets: `apply` leaves them as they are."""
    try:
        params = unlike(row.params, defaults_of(TRANSPORTS.get(row.kind).Params))
    except UnknownKindError:
        params = row.params
    found = without_empty(
        {
            "slug": row.slug,
            "kind": row.kind,
            "name": row.name,
            "description": row.description,
            "params": params,
            "language": "" if row.language == LANGUAGE else row.language,
            "fallback": row.fallback.slug if row.fallback else "",
            "drill_every": format_duration(row.drill_every) if row.drill_every else None,
        }
    )
    return found if row.is_active else {**found, "active": False}


def entries(tenant: Tenant) -> list[dict[str, Any]]:
    return [entry_of(row) for row in Channel.objects.filter(tenant=tenant).select_related("fallback").order_by("slug")]


SECTION = Section(name="channels", word="channel", read=read, save=save, entries=entries, arrange=arrange)
