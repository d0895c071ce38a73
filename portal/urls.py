"""Every address of the portal."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from alerts import hook_views
from portal.health import PROBES

admin.autodiscover()  # Celery's processes have not loaded the pages until now

urlpatterns = [
    *(path(address.removeprefix("/"), view, name=view.__name__) for address, view in PROBES.items()),
    path("", RedirectView.as_view(pattern_name="admin:index", permanent=False)),
    path("hooks/<uuid:key>/", hook_views.call, name="hook_call"),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
    path("", include("alerts.urls")),
]

handler500 = "portal.middleware.server_error"
