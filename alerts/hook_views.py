"""The address that other systems call to start a job. It shows nothing and knows no session."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from alerts import hooks
from alerts.models import IncomingHook


@csrf_exempt
@require_POST
@never_cache
def call(request: HttpRequest, key: UUID) -> JsonResponse:
    """202 with the run's number; otherwise why not, in one sentence for those who have the secret."""
    if _is_too_large(request):
        return JsonResponse({"error": "The body is too large: at most 256 KB are taken."}, status=413)
    rows = IncomingHook.objects.select_related("job__revision", "job__tenant", "created_by", "tenant")
    hook = rows.filter(key=key, tenant__is_active=True, job__archived_at=None).first()
    made = hooks.Call(
        headers=request.headers,
        body=request.body,
        address=str(request.META.get("REMOTE_ADDR", ""))[:64],
        at=timezone.now(),
    )
    try:
        run = hooks.accept(hook, made)
    except hooks.CallRefusedError as refusal:
        headers = {"Retry-After": "60"} if refusal.status == 429 else {}
        return JsonResponse({"error": refusal.sentence}, status=refusal.status, headers=headers)
    return JsonResponse({"run": run.pk}, status=202)


def _is_too_large(request: HttpRequest) -> bool:
    """Before anything is read, and again afterwards: the header is the caller's word."""
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if not announced.isdecimal() or int(announced) > hooks.LARGEST_BODY:
        return True
    return len(request.body) > hooks.LARGEST_BODY
