"""The tenant's page, with what its logs weigh. accounts knows no logs, so its page is extended here."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.admin.tenants import TenantPage
from accounts.models import Tenant
from jobs import look
from jobs.queries.storage import LogStorage, log_storage

admin.site.unregister(Tenant)


@admin.register(Tenant)
class TenantWithLogs(TenantPage):
    list_display = [*TenantPage.list_display, "stored_logs"]
    fields = [*TenantPage.fields, "stored_logs"]
    readonly_fields = ["stored_logs"]

    @admin.display(description=gettext_lazy("stored logs"))
    def stored_logs(self, tenant: Tenant) -> SafeString | str:
        return meter(log_storage(tenant)) if tenant.pk else "–"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A tenant that is being made has no logs yet."""
        return [name for name in self.fields if obj is not None or name != "stored_logs"]


def meter(found: LogStorage) -> SafeString:
    """How much is stored, and of how much, as words and as a bar."""
    if found.limit is None:
        return format_html('<span class="p-num p-nowrap">{}</span>', look.bytes_text(found.stored))
    words = _("%(stored)s of %(limit)s") % {
        "stored": look.bytes_text(found.stored),
        "limit": look.bytes_text(found.limit),
    }
    return format_html(
        '<span class="p-meter"><span class="p-bar" role="img" aria-label="{}">'
        '<i class="p-tone--{}" style="flex:{}"></i>'
        '<i style="flex:{};background:none;min-width:0"></i></span><span class="p-num p-nowrap">{}</span></span>',
        words,
        found.tone,
        round(100 * found.share),
        100 - round(100 * found.share),
        words,
    )
