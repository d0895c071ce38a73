"""Workers, for platform admins; a worker belongs to no tenant."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin

from accounts.models import User
from jobs import look, nodes
from jobs.admin import node_page
from jobs.admin.node_filters import NodeQueueFilter, NodeStateFilter
from jobs.models import WorkerNode

Deed = Callable[..., bool]


@admin.register(WorkerNode)
class WorkerNodeAdmin(ModelAdmin):  # type: ignore[misc]
    """Workers register themselves; a platform admin drains and resumes them."""

    list_display = ["title", "state", "queue_names", "load", "cpu", "memory", "seen", "started"]
    list_filter = [NodeStateFilter, NodeQueueFilter]
    list_filter_submit = False
    search_fields = ["name", "host"]
    search_help_text = gettext_lazy("Search by worker or machine")
    ordering = ["name", "-last_seen_at"]
    actions = ["drain_chosen", "resume_chosen"]
    change_list_template = "jobs/live_list.html"
    list_before_template = "admin/jobs/workernode/_states.html"
    show_full_result_count = False
    list_per_page = 50
    list_fullwidth = True

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

    def get_queryset(self, request: HttpRequest) -> QuerySet[WorkerNode]:
        return cast("QuerySet[WorkerNode]", super().get_queryset(request).defer("history"))

    # --- columns --------------------------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("name"), ordering="name")
    def title(self, node: WorkerNode) -> SafeString:
        return format_html('<span class="p-cell"><b class="p-strong">{}</b><small>{}</small></span>', node, node.host)

    @admin.display(description=gettext_lazy("status"))
    def state(self, node: WorkerNode) -> SafeString:
        return node_page.badge(node, now=timezone.now())

    @admin.display(description=gettext_lazy("queues"))
    def queue_names(self, node: WorkerNode) -> str:
        return ", ".join(str(name) for name in node.queues)

    @admin.display(description=gettext_lazy("running"), ordering="running_count")
    def load(self, node: WorkerNode) -> SafeString:
        share = 100 * node.running_count / node.capacity if node.capacity else 0
        return node_page.meter(share, f"{node.running_count} / {node.capacity}", limit=100)

    @admin.display(description=gettext_lazy("CPU"), ordering="cpu_percent")
    def cpu(self, node: WorkerNode) -> SafeString:
        return node_page.meter(node.cpu_percent, f"{node.cpu_percent:.0f} %", limit=node_page.cpu_limit())

    @admin.display(description=gettext_lazy("memory"), ordering="memory_percent")
    def memory(self, node: WorkerNode) -> SafeString:
        return node_page.meter(node.memory_percent, f"{node.memory_percent:.0f} %", limit=node_page.memory_limit())

    @admin.display(description=gettext_lazy("last seen"), ordering="last_seen_at")
    def seen(self, node: WorkerNode) -> SafeString | str:
        return look.when(node.last_seen_at)

    @admin.display(description=gettext_lazy("started"), ordering="started_at")
    def started(self, node: WorkerNode) -> SafeString | str:
        return look.when(node.started_at)

    # --- actions --------------------------------------------------------------------------------------------------

    @admin.action(description=gettext_lazy("Drain"))
    def drain_chosen(self, request: HttpRequest, queryset: QuerySet[WorkerNode]) -> None:
        self._do(request, queryset, nodes.request_drain)

    @admin.action(description=gettext_lazy("Resume"))
    def resume_chosen(self, request: HttpRequest, queryset: QuerySet[WorkerNode]) -> None:
        self._do(request, queryset, nodes.resume)

    def _do(self, request: HttpRequest, queryset: QuerySet[WorkerNode], deed: Deed) -> None:
        if not self.has_module_permission(request):
            raise PermissionDenied
        changed = sum(deed(node, actor=cast(User, request.user)) for node in queryset)
        words = ngettext(
            "%(n)d worker was told; it obeys with its next heartbeat.",
            "%(n)d workers were told; they obey with their next heartbeats.",
            changed,
        )
        messages.success(request, words % {"n": changed})

    # --- pages ----------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        own = [
            path(f"<path:object_id>/{name}/", site.admin_view(view), name=f"jobs_workernode_{name}")
            for name, view in {"drain": self.drain_view, "live": self.live_view}.items()
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        counts = node_page.counts(now=timezone.now())
        answer: HttpResponse = super().changelist_view(request, {"state_counts": counts, **(extra_context or {})})
        return answer

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        return self._page(request, object_id, "admin/jobs/workernode/page.html")

    def live_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The part of the page that changes."""
        return self._page(request, object_id, "admin/jobs/workernode/_live.html")

    def drain_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The page's button: a POST with drain=1 or drain=0, then back."""
        node = self.node_of(request, object_id)
        if request.method == "POST":
            wanted = request.POST.get("drain") == "1"
            self._do(request, WorkerNode.objects.filter(pk=node.pk), nodes.request_drain if wanted else nodes.resume)
        return HttpResponseRedirect(reverse("admin:jobs_workernode_change", args=[node.pk]))

    def node_of(self, request: HttpRequest, object_id: str) -> WorkerNode:
        if not self.has_view_permission(request):
            raise PermissionDenied
        key = unquote(object_id)
        node = WorkerNode.objects.filter(pk=int(key)).first() if key.isdecimal() and len(key) < 19 else None
        if node is None:
            raise Http404(_("There is no such worker: its row was deleted some days after it had gone."))
        return node

    def _page(self, request: HttpRequest, object_id: str, template: str) -> HttpResponse:
        node = self.node_of(request, object_id)
        context = {
            **self.admin_site.each_context(request),
            **node_page.context(node, now=timezone.now()),
            "opts": self.opts,
            "title": node.name,
            "original": node,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, template, context)
