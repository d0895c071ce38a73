from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AlertsConfig(AppConfig):
    name = "alerts"
    verbose_name = _("Alerts")

    def ready(self) -> None:
        """Have Celery's processes keep a post office, and hear of labels that change."""
        from alerts import (
            books,
            celery_hooks,  # noqa: F401
        )
        from jobs import labels

        labels.listeners.append(books.changed)
