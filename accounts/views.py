"""Choosing the tenant to work in."""

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from accounts.admin_scope import user_of
from accounts.middleware import SESSION_TENANT
from accounts.models import Tenant

ALL = ""


@require_POST
def switch_tenant(request: HttpRequest) -> HttpResponse:
    """`tenant` is an id, or "" for all tenants (platform admins). A tenant that is not the user's is a 404."""
    wanted = request.POST.get("tenant", ALL)
    if wanted == ALL and user_of(request).is_superuser:
        request.session.pop(SESSION_TENANT, None)
        return HttpResponseRedirect(_next(request))
    mine: list[Tenant] = getattr(request, "tenants", [])
    chosen = next((tenant for tenant in mine if str(tenant.pk) == wanted), None)
    if chosen is None:
        raise Http404
    request.session[SESSION_TENANT] = chosen.pk
    return HttpResponseRedirect(_next(request))


def _next(request: HttpRequest) -> str:
    address = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure()):
        return address
    return reverse("admin:index")
