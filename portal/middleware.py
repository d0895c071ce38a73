"""Request plumbing that belongs to no app."""

from collections.abc import Callable

from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.middleware.locale import LocaleMiddleware
from django.utils.translation import gettext as _

GetResponse = Callable[[HttpRequest], HttpResponse]


class DatabaseDownMiddleware:
    """A ledger that cannot be reached is a 503 with Retry-After, never a traceback."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, OperationalError):
            return None
        text = _("The portal's database can't be reached right now. Try again in a few seconds.")
        return HttpResponse(text, status=503, headers={"Retry-After": "5"}, content_type="text/plain; charset=utf-8")


class LanguageMiddleware(LocaleMiddleware):
    """The language of the cookie, else the browser's, else LANGUAGE_CODE."""
