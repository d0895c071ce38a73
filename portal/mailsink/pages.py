"""The pages of the kept mail: for platform admins, to look at only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.admin import AdminSite
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from portal.mailsink.folder import MailFolder

PER_PAGE = 50
_LINK = re.compile(r"https?://[^\s<>\"'，。）]{1,2000}")


def is_shown(request: HttpRequest) -> bool:
    """Whether there is kept mail and this person may see it: it is mail of all tenants."""
    user = request.user
    return bool(settings.PORTAL_MAIL_FOLDER and user.is_active and getattr(user, "is_superuser", False))


def urls(site: AdminSite) -> list[URLPattern]:
    """The addresses, below the admin's."""

    def page(view: Any) -> Any:
        return site.admin_view(require_safe(lambda request, **words: view(site, request, **words)))

    return [
        path("mail/", page(mail_list), name="kept_mail"),
        path("mail/<str:name>/", page(mail_page), name="kept_mail_message"),
        path("mail/<str:name>/source/", page(mail_source), name="kept_mail_source"),
    ]


def mail_list(site: AdminSite, request: HttpRequest) -> HttpResponse:
    folder = _folder(request)
    numbered = Paginator(range(len(folder.names())), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        **site.each_context(request),
        "title": _("Kept mail"),
        "messages_kept": folder.newest(PER_PAGE, skip=max(0, numbered.start_index() - 1)),
        "numbered": numbered,
    }
    return TemplateResponse(request, "portal/mail/list.html", context)


def mail_page(site: AdminSite, request: HttpRequest, name: str) -> HttpResponse:
    opened = _folder(request).open(name)
    if opened is None:
        raise Http404
    title = opened.kept.subject or _("(no subject)")
    context = {**site.each_context(request), "title": title, "opened": opened, "text": linked(opened.text)}
    return TemplateResponse(request, "portal/mail/message.html", context)


def mail_source(site: AdminSite, request: HttpRequest, name: str) -> HttpResponse:
    """The file itself, to save and open in a mail program; never shown as a page of ours."""
    content = _folder(request).source(name)
    if content is None:
        raise Http404
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return HttpResponse(content, content_type="message/rfc822", headers=headers)


def linked(text: str) -> SafeString:
    """The text escaped, its web addresses as links."""
    pieces: list[str] = []
    position = 0
    for found in _LINK.finditer(text):
        url = found[0].rstrip(".,;:!?)]")
        pieces.append(format_html("{}", text[position : found.start()]))
        pieces.append(format_html('<a class="p-link" href="{}" rel="noopener noreferrer nofollow">{}</a>', url, url))
        position = found.start() + len(url)
    pieces.append(format_html("{}", text[position:]))
    return mark_safe("".join(pieces))  # noqa: S308 - each piece is escaped above


def _folder(request: HttpRequest) -> MailFolder:
    if not is_shown(request):
        raise Http404
    return MailFolder(Path(settings.PORTAL_MAIL_FOLDER))
