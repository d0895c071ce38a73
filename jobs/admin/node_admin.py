"""Workers, for platform admins; a worker belongs to no tenant."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin

from jobs import look
from jobs.models import WorkerNode
from jobs.queries.overview import WORKER_SILENT_AFTER


@admin.register(WorkerNode)
class WorkerNodeAdmin(ModelAdmin):  # type: ignore[misc]
    """Read-only: workers register themselves."""

    list_display = ["name", "state", "host", "queue_names", "load", "machine", "seen", "started"]
    list_filter = ["is_draining"]
    search_fields = ["name", "host"]
    exclude = ["slot", "boot_id"]  # how a worker finds itself again; nothing an operator acts on
    ordering = ["-last_seen_at"]
    actions = None
    change_list_template = "jobs/live_list.html"
    show_full_result_count = False
    list_per_page = 50

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @admin.display(description=gettext_lazy("status"))
    def state(self, node: WorkerNode) -> SafeString:
        tone, icon, word = _state(node)
        return format_html(
            '<span class="p-badge p-badge--{}"><span class="material-symbols-outlined" aria-hidden="true">{}'
            "</span><span>{}</span></span>",
            tone,
            icon,
            word,
        )

    @admin.display(description=gettext_lazy("queues"))
    def queue_names(self, node: WorkerNode) -> str:
        return ", ".join(str(name) for name in node.queues)

    @admin.display(description=gettext_lazy("running"))
    def load(self, node: WorkerNode) -> str:
        return f"{node.running_count} / {node.capacity}"

    @admin.display(description=gettext_lazy("CPU and memory"))
    def machine(self, node: WorkerNode) -> str:
        return f"{node.cpu_percent:.0f} % · {node.memory_percent:.0f} %"

    @admin.display(description=gettext_lazy("last seen"), ordering="last_seen_at")
    def seen(self, node: WorkerNode) -> SafeString | str:
        return look.when(node.last_seen_at)

    @admin.display(description=gettext_lazy("started"), ordering="started_at")
    def started(self, node: WorkerNode) -> SafeString | str:
        return look.when(node.started_at)


def _state(node: WorkerNode) -> tuple[str, str, str]:
    """Colour, icon and word."""
    if node.stopped_at is not None:
        return "plain", "stop_circle", _("Stopped")
    if timezone.now() - node.last_seen_at > max(WORKER_SILENT_AFTER, timedelta(seconds=1)):
        return "bad", "link_off", _("Silent")
    if node.is_draining:
        return "warn", "hourglass_top", _("Draining")
    return ("live", "bolt", _("Busy")) if node.running_count else ("good", "check_circle", _("Ready"))
