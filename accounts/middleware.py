"""Which tenant a request works in, and how long an idle session lives."""

import hashlib
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse

from accounts.models import Membership, Tenant
from portal.lib.logconf import about

GetResponse = Callable[[HttpRequest], HttpResponse]

SESSION_TENANT = "tenant_id"
SEEN_AT = "seen_at"


class CurrentTenantMiddleware:
    """Sets `request.tenant` and `request.tenants`, with one query; only a tenant of the user is ever accepted.

    A platform admin may work in any tenant; None means all of them. For a user of no tenant it is None as well.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        choose_tenant(request)
        with about(**_speaker(request)):
            return self.get_response(request)


class IdleTimeoutMiddleware:
    """Ends a session that nobody used for SESSION_IDLE_SECONDS. SESSION_COOKIE_AGE ends it in any case."""

    write_every = 60  # seconds: not every request is worth a write to the session

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.is_authenticated:
            now = int(time.time())
            seen = int(request.session.get(SEEN_AT, now))
            if now - seen > settings.SESSION_IDLE_SECONDS:
                logout(request)
            elif SEEN_AT not in request.session or (now - seen >= self.write_every and is_by_hand(request)):
                self._touch(request, now)
        return self.get_response(request)

    def _touch(self, request: HttpRequest, now: int) -> None:
        """Keeps the absolute end where log-in put it: a touched session must not live longer."""
        ends_at = request.session.setdefault("ends_at", now + settings.SESSION_COOKIE_AGE)
        request.session[SEEN_AT] = now
        request.session.set_expiry(max(1, int(ends_at) - now))


def is_by_hand(request: HttpRequest) -> bool:
    """Whether a person asked. A page that refreshes itself would keep an abandoned session alive for ever."""
    return request.method != "GET" or request.headers.get("Sec-Fetch-Dest") != "empty"


def _speaker(request: HttpRequest) -> dict[str, Any]:
    """For the log: who asks. The session's key opens the session, so only a digest of it is written down."""
    if not request.user.is_authenticated:
        return {}
    key = request.session.session_key or ""
    tenant = request.tenant  # type: ignore[attr-defined]
    return {
        "user_id": request.user.pk,
        "session_id": hashlib.sha256(key.encode()).hexdigest()[:12],
        "tenant_id": tenant.pk if tenant else None,
    }


def choose_tenant(request: HttpRequest) -> None:
    user = request.user
    request.tenant, request.tenants = None, []  # type: ignore[attr-defined]
    if not user.is_authenticated:
        return
    memberships = Membership.objects.filter(user_id=user.pk, tenant__is_active=True).select_related("tenant")
    found = list(memberships.order_by("tenant__slug"))
    user.request_memberships = {each.tenant_id: each.role for each in found}
    request.tenants = [each.tenant for each in found]  # type: ignore[attr-defined]
    if user.is_superuser:
        request.tenants = list(Tenant.objects.order_by("slug")[:200])  # type: ignore[attr-defined]
    request.tenant = _chosen(request)  # type: ignore[attr-defined]


def _chosen(request: HttpRequest) -> Tenant | None:
    wanted = request.session.get(SESSION_TENANT)
    mine: list[Tenant] = request.tenants  # type: ignore[attr-defined]
    chosen = next((tenant for tenant in mine if tenant.pk == wanted), None)
    if chosen is not None or request.user.is_superuser:
        return chosen
    return mine[0] if mine else None
