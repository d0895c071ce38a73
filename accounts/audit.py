"""The one door to the audit trail."""

import hashlib
import json
import logging
from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction
from django.db.models import Model
from django.utils import timezone

from accounts.models import AuditEntry, Tenant, User

log = logging.getLogger(__name__)


def record(
    verb: str,
    *,
    actor: User | None,
    target: Model | None = None,
    tenant: Tenant | None = None,
    summary: str = "",
    details: dict[str, Any] | None = None,
) -> AuditEntry:
    """Append one entry, in the caller's transaction. `verb` is "jobs.run.cancelled"; never pass a secret in details."""
    owner = tenant or getattr(target, "tenant", None)
    with transaction.atomic():
        last = _last_hash()
        entry = AuditEntry(
            at=timezone.now(),
            tenant=owner,
            actor=actor,
            verb=verb,
            object_type=target._meta.label_lower if target is not None else "",
            object_id=str(target.pk) if target is not None else "",
            summary=(summary or str(target or ""))[:300],
            details=details or {},
            previous_hash=last,
        )
        entry.entry_hash = hash_of(entry)
        entry.save(force_insert=True)
    facts: dict[str, Any] = {
        "verb": verb,
        "user_id": actor.pk if actor else None,
        "tenant_id": owner.pk if owner else None,
    }
    facts |= {"object": f"{entry.object_type}:{entry.object_id}"}
    transaction.on_commit(lambda: log.info("Audited: %s", verb, extra=facts))
    return entry


def hash_of(entry: AuditEntry) -> str:
    """SHA-256 over the previous hash and this entry's own content."""
    content = [
        entry.previous_hash, entry.at.isoformat(), entry.tenant_id, entry.actor_id, entry.verb,
        entry.object_type, entry.object_id, entry.summary, entry.details,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _last_hash() -> str:
    """The newest hash, its row locked, so that two writers can't fork the chain."""
    newest = AuditEntry.objects.order_by("-id")
    if connection.features.has_select_for_update:
        newest = newest.select_for_update()
    return newest.values_list("entry_hash", flat=True).first() or ""


def broken_entries() -> Iterator[tuple[int, str]]:
    """(id, reason) of every entry that was changed, or whose predecessor was changed, removed or inserted."""
    previous = ""
    for entry in AuditEntry.objects.order_by("id").iterator(chunk_size=2000):
        if entry.entry_hash != hash_of(entry):
            yield entry.pk, "its content does not match its hash"
        if entry.previous_hash != previous:
            yield entry.pk, "it does not follow the entry before it"
        previous = entry.entry_hash
