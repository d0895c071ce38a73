from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig
from django.utils.translation import gettext_lazy as _

from portal.processes import celery_service


class PortalAdminConfig(AdminConfig):
    default_site = "portal.sites.PortalAdminSite"

    def ready(self) -> None:
        """Celery's processes load the pages only when they ask for an address (`portal.urls`): it saves 40 MB each."""
        if not celery_service():
            super().ready()


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = _("Portal")

    def ready(self) -> None:
        """Register the system checks."""
        from portal import checks  # noqa: F401

        if not celery_service():
            from portal import page_checks  # noqa: F401
