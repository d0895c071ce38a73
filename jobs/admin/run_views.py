"""The run page's log, download and buttons. The caller has checked that the user may see the run."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.permissions import can
from jobs import runs
from jobs.admin import run_parts
from jobs.models import LogChunk, Run
from jobs.runparams import RunParamsError
from jobs.states import ACTIVE

if TYPE_CHECKING:
    from jobs.admin.run_admin import RunAdmin

PAGE_CHUNKS = 100
ATTEMPT_STEP = 10_000_000  # a position in a run's log is attempt number * ATTEMPT_STEP + chunk number


def log(request: HttpRequest, run: Run) -> JsonResponse:
    """The log after a position, over all attempts or `?attempt=n`. `next` is the position to ask with next."""
    after = _number(request.GET.get("after"))
    was_active = run.status in ACTIVE  # read before the chunks: what a finished run wrote is there already
    rows = _chunks_after(run, after, request.GET.get("attempt", ""))[: PAGE_CHUNKS + 1]
    found = list(rows)
    page = found[:PAGE_CHUNKS]
    answer = {
        "chunks": [_as_json(chunk) for chunk in page],
        "next": _position(page[-1]) if page else after,
        "more": len(found) > PAGE_CHUNKS,
        "done": not was_active,
        "status": run.status,
    }
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})


def download(request: HttpRequest, run: Run) -> StreamingHttpResponse:
    """The whole log as plain text, streamed."""
    chosen = request.GET.get("attempt", "")
    suffix = f"-attempt-{_number(chosen)}" if chosen else ""
    name = f"{run.job.slug}-run-{run.pk}{suffix}.log"
    return StreamingHttpResponse(
        _texts(run, chosen),
        content_type="text/plain; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )


def cancel(request: HttpRequest, page: "RunAdmin", run: Run) -> HttpResponse:
    """Asks first; a POST cancels."""
    user = _may_run(request, run)
    back = HttpResponseRedirect(reverse("admin:jobs_run_change", args=[run.pk]))
    if request.method != "POST":
        return _ask(request, page, run, "admin/jobs/run/cancel.html", _("Cancel this run?"))
    if runs.cancel_run(run, actor=user, reason=request.POST.get("reason", "").strip()[:300]):
        messages.success(request, _("Run #%(number)d is being cancelled.") % {"number": run.pk})
    else:
        messages.warning(request, _("Run #%(number)d had ended already.") % {"number": run.pk})
    return back


def again(request: HttpRequest, page: "RunAdmin", run: Run) -> HttpResponse:
    """Asks first; a POST makes a new run with the same parameters."""
    user = _may_run(request, run)
    if request.method != "POST":
        return _ask(request, page, run, "admin/jobs/run/again.html", _("Run it again?"))
    try:
        made = runs.rerun(
            run,
            actor=user,
            use_latest=request.POST.get("revision") == "latest",
            despite_freeze=request.POST.get("despite_freeze") == "yes",
        )
    except runs.FrozenError as refusal:
        messages.error(request, str(refusal))
        asks = {"asks_despite_freeze": refusal.may_override}
        return _ask(request, page, run, "admin/jobs/run/again.html", _("Run it again?"), **asks)
    except (runs.RunRefusedError, RunParamsError) as refusal:
        messages.error(request, str(refusal))
        return HttpResponseRedirect(reverse("admin:jobs_run_change", args=[run.pk]))
    messages.success(request, _("Run #%(number)d was created.") % {"number": made.pk})
    return HttpResponseRedirect(reverse("admin:jobs_run_change", args=[made.pk]))


def again_failed(request: HttpRequest, page: "RunAdmin", run: Run) -> HttpResponse:
    """Asks first; a POST makes a new run of the parts that did not succeed."""
    user = _may_run(request, run)
    if request.method != "POST":
        return _ask(request, page, run, "admin/jobs/run/again_failed.html", _("Run the failed parts again?"))
    try:
        made = runs.rerun_failed(run, actor=user)
    except (runs.RunRefusedError, RunParamsError) as refusal:
        messages.error(request, str(refusal))
        return HttpResponseRedirect(reverse("admin:jobs_run_change", args=[run.pk]))
    messages.success(request, _("Run #%(number)d was created.") % {"number": made.pk})
    return HttpResponseRedirect(reverse("admin:jobs_run_change", args=[made.pk]))


def _may_run(request: HttpRequest, run: Run) -> User:
    user = cast(User, request.user)
    if not can(user, "run", run.job):
        raise PermissionDenied
    return user


def _ask(request: HttpRequest, page: "RunAdmin", run: Run, template: str, title: str, **extra: object) -> HttpResponse:
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "title": title,
        "run": run,
        "original": run,
        "job": run.job,
        "failed_parts": run_parts.failed_numbers(run),
        "is_latest": run.job.revision_id == run.revision_id,
        **extra,
    }
    return TemplateResponse(request, template, context)


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 16 else 0


def _position(chunk: LogChunk) -> int:
    return chunk.attempt.number * ATTEMPT_STEP + chunk.seq


def _as_json(chunk: LogChunk) -> dict[str, object]:
    return {"seq": _position(chunk), "stream": chunk.stream, "at": chunk.at.isoformat(), "text": chunk.text}


def _chunks_after(run: Run, after: int, attempt: str) -> QuerySet[LogChunk]:
    number, seq = divmod(after, ATTEMPT_STEP)
    chunks = LogChunk.objects.filter(attempt__run=run).select_related("attempt").order_by("attempt__number", "seq")
    if attempt:
        chunks = chunks.filter(attempt__number=_number(attempt))
    return chunks.filter(attempt__number__gt=number) | chunks.filter(attempt__number=number, seq__gt=seq)


def _texts(run: Run, attempt: str) -> Iterator[str]:
    chunks = LogChunk.objects.filter(attempt__run=run)
    if attempt:
        chunks = chunks.filter(attempt__number=_number(attempt))
    yield from chunks.order_by("attempt__number", "seq").values_list("text", flat=True).iterator(chunk_size=50)
