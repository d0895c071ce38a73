"""What a back-test says, on the page of the form that asked for it: nothing of it is written."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ModelAdmin
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.admin_scope import user_of
from accounts.permissions import visible_to
from alerts.admin import bars
from alerts.backtest import MOST_RUNS, Sent
from alerts.states import NotificationStatus
from alerts.trials import DAYS, MOST_SECONDS, USUAL, Trial
from alerts.wording import render
from jobs.models import Run

FRAGMENT, PAGE = "admin/alerts/_backtest.html", "admin/alerts/backtest.html"
MOST_SHOWN = 100


def days_of(request: HttpRequest) -> int:
    """The chosen span; the usual one for anything else."""
    text = request.POST.get("backtest_days", "")
    return int(text) if text in {str(days) for days in DAYS} else USUAL


def choices() -> list[tuple[int, str]]:
    return [(days, ngettext("%(n)d day", "%(n)d days", days) % {"n": days}) for days in DAYS]


def respond(
    request: HttpRequest,
    page: ModelAdmin[Any],
    trial: Trial | None,
    *,
    problems: list[str] | None = None,
    is_form_wrong: bool = True,
) -> HttpResponse:
    """To a script the part of the page; otherwise a page of its own."""
    if trial is not None and trial.is_refused:
        words = _("A part of the portal has no runs: a rule on the portal itself can't be back-tested.")
        trial, problems, is_form_wrong = None, [words], False
    extra = (
        context_of(request, trial)
        if trial is not None
        else {"backtest_problems": problems, "is_form_wrong": is_form_wrong}
    )
    if request.headers.get("X-Requested-With") == "XMLHttpRequest":
        answer: HttpResponse = TemplateResponse(request, FRAGMENT, extra)
    else:
        site = {**page.admin_site.each_context(request), "opts": page.opts, "title": _("Back-test")}
        answer = TemplateResponse(request, PAGE, {**site, **extra})
    answer["Cache-Control"] = "no-store"
    return answer


def problems_of(form: BaseForm) -> list[str]:
    """What has to be mended first, each with its field's name."""
    found = []
    for name, errors in form.errors.items():
        label = str(form.fields[name].label or name) if name in form.fields else ""
        found += [f"{label}: {error}" if label else str(error) for error in errors]
    return found


def context_of(request: HttpRequest, trial: Trial) -> dict[str, Any]:
    written = trial.written
    runs = [one.run for one in written[-MOST_SHOWN:] if one.run]
    may_see = set(visible_to(user_of(request), Run.objects.filter(pk__in=runs)).values_list("pk", flat=True))
    return {
        "backtest": trial,
        "backtest_headline": headline(trial),
        "backtest_notes": notes(trial),
        "backtest_bars": bars.days(trial.by_day()),
        "backtest_rows": [_row(one, may_see) for one in reversed(written[-MOST_SHOWN:])],
        "backtest_more": max(len(written) - MOST_SHOWN, 0),
        "backtest_jobs": trial.parts if len(trial.parts) > 1 else [],
    }


def headline(trial: Trial) -> str:
    """The one sentence of it all."""
    sent, naive = len(trial.sent), trial.total("naive")
    facts = {"days": trial.days, "sent": sent, "naive": naive}
    words = ngettext(
        "In the last %(days)d days this would have sent %(sent)d message instead of %(naive)d",
        "In the last %(days)d days this would have sent %(sent)d messages instead of %(naive)d",
        sent,
    )
    incidents = trial.total("incidents")
    counts = {"runs": f"{trial.total('runs'):,}", "bad": f"{trial.total('bad'):,}", "n": incidents}
    if trial.is_of_alert:
        more = ngettext(
            "%(runs)s runs looked at, %(bad)s bad, %(n)d incident",
            "%(runs)s runs looked at, %(bad)s bad, %(n)d incidents",
            incidents,
        )
    else:
        more = _("%(runs)s runs looked at, %(bad)s of them what it tells of")
    return _("%(sentence)s (%(counts)s).") % {"sentence": words % facts, "counts": more % counts}


def notes(trial: Trial) -> list[str]:
    """What the reader must know to trust it."""
    found = []
    if not trial.parts:
        found.append(_("There is no job that it concerns, or none that you may see."))
    elif not trial.total("runs"):
        found.append(_("There is no run in that time yet: nothing could be looked at."))
    if trial.parts and not trial.written and trial.total("bad"):
        found.append(_("Nobody would have been told: no notification rule with a channel names what happened."))
    return [*found, *_bounds(trial)]


def _bounds(trial: Trial) -> list[str]:
    """What was not looked at, and why."""
    found = []
    if trial.is_stopped:
        words = _("It was stopped after %(seconds)d seconds: choose fewer days. What is told here is what was done.")
        found.append(words % {"seconds": MOST_SECONDS})
    if trial.is_cut:
        words = _("Only the latest %(count)s runs of a job were looked at: there were more.")
        found.append(words % {"count": f"{MOST_RUNS:,}"})
    if trial.kept_days is not None:
        words = _("Runs are kept for %(days)d days, so less is there than was asked for.")
        found.append(words % {"days": trial.kept_days})
    if trial.leaves_out:
        found.append(_("Incidents that people acknowledge or that escalate, and outages, are no part of a back-test."))
    if trial.left_out:
        words = ngettext(
            "%(n)d more job was not looked at: it would take too long.",
            "%(n)d more jobs were not looked at: it would take too long.",
            trial.left_out,
        )
        found.append(words % {"n": trial.left_out})
    return found


def _row(one: Sent, may_see: set[int]) -> dict[str, Any]:
    fate = one.fate
    return {
        "at": one.at,
        "trigger": one.trigger.label,
        "channel": one.channel.name,
        "status": fate.status,
        "is_sent": fate.status == NotificationStatus.PENDING,
        "is_held": fate.status == NotificationStatus.HELD,
        "goes_at": fate.at,
        "why": render(dict(fate.why)) if fate.why else "",
        "sentence": render(dict(one.sentence)) if one.sentence else "",
        "run": one.run if one.run in may_see else None,
    }
