"""Adds the fire ledger, "run what was missed" and the backfill page to the job admin, per job and per tenant."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

from jobs.admin import backfill_form, fire_view, missed_view
from jobs.models import Job

if TYPE_CHECKING:
    from accounts.admin_base import TenantAdmin as Base
else:
    Base = object


class FirePages(Base):
    """Mixed into the job admin, which has `job_of`."""

    job_of: Callable[[HttpRequest, str], Job]

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        of_tenant = [
            path("fires/", site.admin_view(self.tenant_fires_view), name="jobs_job_tenant_fires"),
            path("fires/missed/", site.admin_view(self.tenant_missed_view), name="jobs_job_tenant_missed"),
        ]
        of_job = [
            path(f"<path:object_id>/{name}/", site.admin_view(view), name=f"jobs_job_{name}")
            for name, view in {
                "fires": self.fires_view,
                "missed": self.missed_view,
                "backfill": self.backfill_view,
            }.items()
        ]
        return [*of_tenant, *(self._guarded(pattern) for pattern in of_job), *super().get_urls()]

    def tenant_fires_view(self, request: HttpRequest) -> HttpResponseBase:
        return fire_view.fires(request, self, None)

    def fires_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        return fire_view.fires(request, self, self.job_of(request, object_id))

    def tenant_missed_view(self, request: HttpRequest) -> HttpResponse:
        return missed_view.missed(request, self, None)

    def missed_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return missed_view.missed(request, self, self.job_of(request, object_id))

    def backfill_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        return backfill_form.backfill(request, self, self.job_of(request, object_id))
