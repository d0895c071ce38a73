"""What waits for the word of whoever looks at a page."""

from __future__ import annotations

from django.http import HttpRequest

from accounts.admin_scope import narrowed, user_of
from datasources import approvals


def waiting_approvals(request: HttpRequest) -> int:
    """Write approvals that this person may decide in the tenant they work in; asked once for a page."""
    memory = request.__dict__.setdefault("_permission_memory", {})
    if "waiting_approvals" not in memory:
        memory["waiting_approvals"] = narrowed(request, approvals.waiting_for(user_of(request))).count()
    return int(memory["waiting_approvals"])
