"""What django-unfold is told: title, sidebar, badge, languages."""

from typing import Any

from django.utils.translation import gettext_lazy as _


def build(environment: str) -> dict[str, Any]:
    """The UNFOLD setting; `environment` is shown as a badge."""
    return {
        "SITE_TITLE": _("Operations portal"),
        "SITE_HEADER": _("Operations portal"),
        "SITE_SYMBOL": "deployed_code",
        "SHOW_LANGUAGES": True,
    }
