"""How much log a new attempt may keep: the installation's cap, or a small one while its tenant is over its quota.

`jobs.retention.quota` counts what a tenant has stored and deletes the oldest; this is what the worker asks at a start.
"""

from __future__ import annotations

import threading
import time

from django.conf import settings
from django.utils.translation import gettext as _

from jobs.models import Attempt, LogUsage

QUOTA_CAP_BYTES = 64 * 1024  # enough for the last words of most scripts
ASK_AGAIN_SECONDS = 30.0

_lock = threading.Lock()
_known: dict[int, tuple[float, int]] = {}  # tenant → (asked at, cap)


def cap_for(tenant_id: int) -> int:
    """The most log bytes an attempt of this tenant may store now; remembered for half a minute. Thread-safe."""
    now = time.monotonic()
    with _lock:
        asked, cap = _known.get(tenant_id, (-ASK_AGAIN_SECONDS, 0))
    if now - asked < ASK_AGAIN_SECONDS:
        return cap
    cap = _ask(tenant_id)
    with _lock:
        _known[tenant_id] = (now, cap)
    return cap


def forget() -> None:
    """Ask the ledger again at the next start."""
    with _lock:
        _known.clear()


def _ask(tenant_id: int) -> int:
    most: int = settings.PORTAL_LOG_BYTES_PER_ATTEMPT
    row = LogUsage.objects.filter(tenant=tenant_id).values_list("stored_bytes", "tenant__log_bytes_limit").first()
    if row is None or row[1] is None or row[0] < row[1]:
        return most
    return min(most, QUOTA_CAP_BYTES)


def cut_sentence(cap: int) -> str:
    """The portal's own line at the end of a log that was cut at `cap` bytes."""
    kib = max(cap // 1024, 1)
    if cap < settings.PORTAL_LOG_BYTES_PER_ATTEMPT:
        words = _(
            "The log was cut off here, at %(kib)d KiB: the tenant has stored as much log as it may. "
            "Delete what fills its logs, or ask a platform admin for a larger quota."
        )
        return words % {"kib": kib}
    return _("The log was cut off here, at %(kib)d KiB, the most one attempt may store.") % {"kib": kib}


def was_cut_by_quota(attempt: Attempt) -> bool:
    """Whether this attempt's log is short because of the tenant's quota."""
    return attempt.log_truncated and attempt.log_bytes <= QUOTA_CAP_BYTES < settings.PORTAL_LOG_BYTES_PER_ATTEMPT
