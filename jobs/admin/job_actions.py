"""What the job list does to chosen jobs: one service call each, and a count of what came of it."""

from collections.abc import Callable
from typing import Any, cast

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import ngettext

from accounts.models import User
from accounts.permissions import visible_to
from jobs import catalog, runs
from jobs.models import Job
from jobs.runparams import RunParamsError
from jobs.states import Origin

Deed = Callable[[Job, User], bool]


def run_job(job: Job, actor: User) -> bool:
    runs.create_run(job, origin=Origin.MANUAL, actor=actor)
    return True


def enable_job(job: Job, actor: User) -> bool:
    return catalog.enable_job(job, actor=actor)


def disable_job(job: Job, actor: User) -> bool:
    return catalog.disable_job(job, actor=actor)


def delete_job(job: Job, actor: User) -> bool:
    catalog.delete_job(job, actor=actor)
    return True


def apply(request: HttpRequest, jobs: QuerySet[Job], *, verb: str, deed: Deed) -> tuple[int, int]:
    """Do it to each chosen job that the user may `verb`; (done, left as they were). Refusals become messages."""
    actor = cast(User, request.user)
    chosen = list(jobs)
    allowed = set(
        visible_to(actor, Job.objects.filter(pk__in=[job.pk for job in chosen]), verb).values_list("pk", flat=True)
    )
    done = same = refused = 0
    for job in chosen:
        if job.pk not in allowed:
            refused += 1
            continue
        try:
            was_done = deed(job, actor)
        except (catalog.CatalogError, runs.RunRefusedError, RunParamsError) as error:
            messages.error(request, f"{job.name}: {_first(error)}")
            continue
        done, same = done + was_done, same + (not was_done)
    if refused:
        words = ngettext("You may not do this to %(n)d job.", "You may not do this to %(n)d jobs.", refused)
        messages.warning(request, words % {"n": refused})
    return done, same


def tell(request: HttpRequest, done: int, same: int, words: str) -> None:
    """`words` holds %(n)d."""
    if done:
        messages.success(request, words % {"n": done})
    if same:
        left = ngettext("%(n)d job was so already.", "%(n)d jobs were so already.", same)
        messages.info(request, left % {"n": same})


def _first(error: Any) -> str:
    found = getattr(error, "errors", None)
    return str(found[0].message) if found else str(error)
