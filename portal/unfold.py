"""What django-unfold is told: title, sidebar, badge, languages. Read while settings load, so it imports no app."""

from typing import Any

from django.templatetags.static import static
from django.utils.translation import gettext_lazy as _


def build() -> dict[str, Any]:
    """The UNFOLD setting; the environment is shown as a badge and, outside production, in the page's title."""
    return {
        "SITE_TITLE": _("Operations portal"),
        "SITE_HEADER": _("Operations portal"),
        "SITE_ICON": lambda request: static("portal/icon.svg"),
        "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("portal/icon.svg")}],
        "STYLES": [lambda request: static("portal/portal.css")],
        "SITE_URL": None,
        "SHOW_LANGUAGES": True,
        "SHOW_BACK_BUTTON": True,
        "ENVIRONMENT": "portal.navigation.environment",
        "ENVIRONMENT_TITLE_PREFIX": "portal.navigation.title_prefix",
        "SIDEBAR": {
            "show_search": True,
            "command_search": True,
            "show_all_applications": False,
            "navigation": "portal.navigation.sidebar",
        },
        # The palette's history would stay in the browser for whoever logs in next.
        "COMMAND": {"search_models": True, "show_history": False},
        "COLORS": {"primary": BLUE},
        "DASHBOARD_CALLBACK": "portal.dashboard.dashboard_context",
    }


BLUE = {
    "50": "oklch(97% .014 254.604)",
    "100": "oklch(93.2% .032 255.585)",
    "200": "oklch(88.2% .059 254.128)",
    "300": "oklch(80.9% .105 251.813)",
    "400": "oklch(70.7% .165 254.624)",
    "500": "oklch(62.3% .214 259.815)",
    "600": "oklch(54.6% .245 262.881)",
    "700": "oklch(48.8% .243 264.376)",
    "800": "oklch(42.4% .199 265.638)",
    "900": "oklch(37.9% .146 265.522)",
    "950": "oklch(28.2% .091 267.935)",
}
