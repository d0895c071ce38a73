"""Queues, for platform admins: what waits in them, who serves them, how many may run at once."""

from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from unfold.admin import ModelAdmin

from accounts.models import User
from jobs import queues
from jobs.models import Queue
from jobs.queries.queues import queue_states


@admin.register(Queue)
class QueueAdmin(ModelAdmin):  # type: ignore[misc]
    """The list is of every queue that is used, whether anything was decided about it or not."""

    fields = ["name", "description", "running_limit", "is_paused"]
    actions = None

    def has_module_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return self.has_module_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return self.has_module_permission(request)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["name"] if obj else []  # another name is another queue

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"name": request.GET.get("name", "")[:50]}

    def save_model(self, request: HttpRequest, obj: Queue, form: Any, change: bool) -> None:
        queues.save(obj, actor=cast(User, request.user))

    def delete_model(self, request: HttpRequest, obj: Queue) -> None:
        queues.delete(obj, actor=cast(User, request.user))

    def get_urls(self) -> list[URLPattern]:
        pause = path("pause/", self.admin_site.admin_view(self.pause_view), name="jobs_queue_pause")
        return [pause, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        template = "_live" if "_live" in request.GET else "list"
        states = queue_states(now=timezone.now())
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Queues"),
            "states": states,
            "unserved": [state for state in states if state.is_unserved],
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, f"admin/jobs/queue/{template}.html", context)

    def pause_view(self, request: HttpRequest) -> HttpResponse:
        """A row's button: a POST with the queue's name and paused=1 or paused=0, then back."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        if request.method == "POST":
            name, paused = request.POST.get("name", ""), request.POST.get("paused") == "1"
            try:
                queues.set_paused(name, paused=paused, actor=cast(User, request.user))
            except ValidationError as error:
                messages.error(request, " ".join(error.messages))
            else:
                words = _("The queue “%(queue)s” is paused.") if paused else _("The queue “%(queue)s” goes on.")
                messages.success(request, words % {"queue": name})
        return HttpResponseRedirect(reverse("admin:jobs_queue_changelist"))
