"""What pages of any app show of alerts."""

from __future__ import annotations

from typing import Any

from django import template

from accounts.admin_scope import user_of
from alerts import inbox

register = template.Library()
MOST_COUNTED = 100


@register.inclusion_tag("alerts/_bell.html", takes_context=True)
def inbox_bell(context: dict[str, Any]) -> dict[str, Any]:
    """The bell of the page's header: one statement for a page."""
    request = context.get("request")
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_staff:
        return {"is_shown": False}
    if not user.is_superuser and not getattr(request, "tenants", []):
        return {"is_shown": False}
    count = inbox.unread_count(user_of(request), most=MOST_COUNTED)  # type: ignore[arg-type]
    return {"is_shown": True, "count": count, "text": f"{MOST_COUNTED - 1}+" if count >= MOST_COUNTED else str(count)}
