"""A site with one badly configured page, for the test that the canary test can fail."""

from django.contrib.admin import ModelAdmin
from django.urls import path

from datasources.models import DataSource
from portal.sites import PortalAdminSite
from portal.urls import urlpatterns as portal_patterns


class LeakyPage(ModelAdmin):
    """Django's own admin, with only the permission opened: what a careless registration looks like."""

    list_display = ["name"]
    search_fields = ["name"]
    list_filter = ["created_by"]

    def has_view_permission(self, request, obj=None):
        return True

    has_change_permission = has_delete_permission = has_module_permission = has_view_permission


site = PortalAdminSite(name="admin")
site.register(DataSource, LeakyPage)

urlpatterns = [
    path("admin/", site.urls),
    *(each for each in portal_patterns if str(getattr(each, "pattern", "")) != "admin/"),
]
