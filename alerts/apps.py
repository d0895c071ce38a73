from typing import Any

from django.apps import AppConfig
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _


class AlertsConfig(AppConfig):
    name = "alerts"
    verbose_name = _("Alerts")

    def ready(self) -> None:
        """Have Celery's processes keep a post office, hear of labels that change, and add to definitions files."""
        from alerts import (
            books,
            celery_hooks,  # noqa: F401
        )
        from alerts.yamlfile import ours
        from datasources import console_links
        from jobs import labels
        from jobs.yamlfile import sections

        labels.listeners.append(books.changed)
        sections.register(*ours.OURS)
        console_links.register(_alert_of_query)


def _alert_of_query(source: Any, sql: str, values: Any) -> tuple[str, str]:
    """What the console offers below a result."""
    from django.urls import reverse

    return _now("Make an alert of this"), reverse("admin:alerts_alertrule_sql")
