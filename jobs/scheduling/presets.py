"""Ready-made triggers for the schedule form. PURE data."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A trigger somebody picks by its name."""

    slug: str
    label: Promise
    kind: str
    expression: str


def _cron(slug: str, label: Promise, expression: str) -> Preset:
    return Preset(slug=slug, label=label, kind="cron", expression=expression)


PRESETS = (
    _cron("every-5-minutes", _("Every 5 minutes"), "*/5 * * * *"),
    _cron("every-15-minutes", _("Every 15 minutes"), "*/15 * * * *"),
    _cron("hourly", _("Every hour"), "0 * * * *"),
    _cron("daily", _("Every day at 02:00"), "0 2 * * *"),
    _cron("working-days", _("Monday to Friday at 09:00"), "0 9 * * 1-5"),
    _cron("weekly", _("Every Monday at 02:00"), "0 2 * * 1"),
    _cron("monthly", _("On day 1 of every month at 02:00"), "0 2 1 * *"),
)
