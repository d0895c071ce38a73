"""Messages to people inside the portal: they arrive when the database commits, whatever becomes of every channel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db.models import Model, Q, QuerySet
from django.utils.translation import override

from accounts.models import Membership, Tenant, User
from accounts.permissions import roles, visible_to
from accounts.scoping import MANAGE_PERMISSION
from alerts.models import InboxMessage
from alerts.states import Severity
from portal.lib.said import Said, say_again
from portal.lib.text import one_line

READ_KEPT = timedelta(days=90)
UNREAD_KEPT = timedelta(days=365)
LONGEST_SUBJECT = 300
MOST_PRUNED = 2000


@dataclass(frozen=True, kw_only=True)
class Letter:
    """One message. A `Said` is said to each reader in their own language; `link` is what `link_to` gives.

    Who has a message with this `delivery_id` already does not get it again.
    """

    subject: str
    body: str = ""
    severity: str = Severity.INFO
    link: str = ""
    incident: int | None = None
    delivery_id: UUID | None = None


def link_to(row: Model) -> str:
    """Names a row; the page that shows it makes an address of it. Senders have no pages, and asking loads them all."""
    return f"{row._meta.label_lower}/{row.pk}"


def tell_people(users: Iterable[User], letter: Letter, *, now: datetime, tenant: Tenant | int | None = None) -> int:
    """Put it into their inboxes; how many people were told. Inactive users are left out."""
    tenant_id = tenant.pk if isinstance(tenant, Tenant) else tenant
    delivery_id = letter.delivery_id or uuid4()
    people = {user.pk: user for user in users if user.is_active}
    rows = [
        InboxMessage(
            user_id=user.pk,
            tenant_id=tenant_id,
            delivery_id=delivery_id,
            subject=one_line(_in_language_of(user, letter.subject), LONGEST_SUBJECT),
            body=_in_language_of(user, letter.body),
            severity=letter.severity,
            link=letter.link if len(letter.link) <= LONGEST_SUBJECT else "",
            incident_id=letter.incident,
            created_at=now,
        )
        for user in people.values()
    ]
    InboxMessage.objects.bulk_create(rows, batch_size=500, ignore_conflicts=True)
    return len(rows)


def tell_admins(tenant: Tenant | int, letter: Letter, *, now: datetime) -> int:
    """The tenant's admins; those of the platform when it has none, so that somebody is told."""
    tenant_id = tenant.pk if isinstance(tenant, Tenant) else tenant
    managing = [name for name, permissions in roles().items() if MANAGE_PERMISSION in permissions]
    people = members(tenant_id, role_names=managing)
    return tell_people(people, letter, now=now, tenant=tenant_id) if people else tell_platform(letter, now=now)


def tell_platform(letter: Letter, *, now: datetime) -> int:
    """Every platform admin."""
    return tell_people(User.objects.filter(is_superuser=True, is_active=True), letter, now=now)


def members(tenant_id: int, *, role_names: Iterable[str] = (), usernames: Iterable[str] = ()) -> list[User]:
    """Active members of the tenant who have one of the roles, or one of the names."""
    wanted = Q(role__in=list(role_names)) | Q(user__username__in=list(usernames))
    found = Membership.objects.filter(wanted, tenant_id=tenant_id, user__is_active=True).select_related("user")
    return [membership.user for membership in found.order_by("user_id")]


def _in_language_of(user: User, text: str) -> str:
    if not isinstance(text, Said):
        return text
    with override(user.language or settings.LANGUAGE_CODE):
        return say_again(text.source)


# --- the reader -------------------------------------------------------------------------------------------------------


def messages_of(user: User) -> QuerySet[InboxMessage]:
    """One's own alone, of the tenants one may still look into; what concerns the platform is for its admins."""
    return visible_to(user, InboxMessage.objects.filter(user_id=user.pk))


def unread_count(user: User, *, most: int = 100) -> int:
    """How many messages the user has not read; counted up to `most`, so that it costs the same on every page."""
    return messages_of(user).filter(read_at=None).order_by()[:most].count()


def mark_read(user: User, *, now: datetime, ids: Iterable[int] | None = None) -> int:
    """Messages of this user alone; None: all of them."""
    unread = messages_of(user).filter(read_at=None)
    return (unread if ids is None else unread.filter(pk__in=list(ids))).update(read_at=now)


def prune(now: datetime) -> int:
    """Delete what was read long ago, and what nobody will read any more; bounded, so call it again."""
    read = InboxMessage.objects.filter(read_at__lt=now - READ_KEPT).order_by("read_at")
    unread = InboxMessage.objects.filter(read_at=None, created_at__lt=now - UNREAD_KEPT).order_by("created_at")
    ids = [key for old in (read, unread) for key in old.values_list("pk", flat=True)[:MOST_PRUNED]]
    return InboxMessage.objects.filter(pk__in=ids).delete()[0] if ids else 0
