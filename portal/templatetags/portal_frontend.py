"""Template tag that brings the built page scripts and their translated text into a page."""

from __future__ import annotations

from functools import cache

from django import template
from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join, json_script
from django.utils.safestring import SafeString

from portal.frontend_strings import STRINGS

register = template.Library()


def is_built(path: str) -> bool:
    """Whether set-up has built this file; without it the plain form fields are used."""
    return _is_built(path) if not settings.DEBUG else _look_for(path)


@cache
def _is_built(path: str) -> bool:
    return _look_for(path)


def _look_for(path: str) -> bool:
    return finders.find(path) is not None or staticfiles_storage.exists(path)


@register.simple_tag
def portal_scripts(*names: str) -> SafeString:
    """The named scripts, as in `{% portal_scripts "logs" "refresh" %}`, and their text. Once in a page."""
    paths = [f"portal/{name}.js" for name in names]
    scripts = format_html_join(
        "\n",
        '<script type="module" src="{}"></script>',
        ((static(path),) for path in paths if is_built(path)),
    )
    if not scripts:
        return SafeString("")
    return format_html("{}\n{}", json_script(STRINGS, "portal-strings"), scripts)
