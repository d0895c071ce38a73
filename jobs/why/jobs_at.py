"""Why a job ran, did not run, or will or will not run at a minute."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from jobs import advice, look, reasons
from jobs.models import Job, Run
from jobs.policies import OverlapPolicy
from jobs.scheduling.calendars import FROZEN
from jobs.scheduling.closed import moved_reason, outcome_reason
from jobs.scheduling.exclusions import MOVED
from jobs.states import ACTIVE, NOT_RUN, ReasonCode, RunStatus
from jobs.why.created import schedule_text
from jobs.why.ended import cause_text, fix_of
from jobs.why.facts import offer_of
from jobs.why.machinery import beat_check, broker_check, queue_check, workers_check
from jobs.why.moments import MomentFacts, ScheduleAt, moment_facts
from jobs.why.undecided import outage_checks, undecided_checks
from jobs.why.verdict import (
    Check,
    Explanation,
    Fix,
    Part,
    Place,
    failed,
    first_failed,
    not_applicable,
    passed,
    unknown,
)

DUE, ALLOWED, RUNS = Part.DUE, Part.ALLOWED, Part.RUNS


def explain(job: Job, moment: datetime, *, is_platform: bool = False) -> Explanation:
    """The story of a job at the minute of `moment`, past or future, in the active language."""
    return explain_moment(moment_facts(job, moment), is_platform=is_platform)


def explain_moment(facts: MomentFacts, *, is_platform: bool) -> Explanation:
    """PURE but for the words."""
    checks = [*due_checks(facts), *allowed_checks(facts)]
    checks += _ahead_checks(facts, is_platform=is_platform) if facts.is_future else _past_checks(facts, is_platform)
    answer = _answer(facts, checks)
    return Explanation(
        headline=_headline(facts, answer),
        checks=tuple(checks),
        answer=answer.key if answer else "",
        before=max((each.before for each in facts.schedules if each.before), default=None),
        after=min((each.after for each in facts.schedules if each.after), default=None),
    )


def due_checks(facts: MomentFacts) -> Iterator[Check]:
    """Whether any schedule has a fire time in the minute."""
    if facts.minute < facts.job.created_at.replace(second=0, microsecond=0):
        words = _("The job did not exist yet: it was created at %(at)s.")
        yield failed("existed", DUE, words % {"at": reasons.time_text(facts.job.created_at)})
    if not facts.schedules:
        yield _nothing_due(facts, _("The job has no schedule: it runs only when somebody or something asks for it."))
        return
    for number, each in enumerate(facts.schedules, start=1):
        yield _schedule_check(facts, each, f"schedule-{number}", is_alone=not facts.expected and not facts.runs)


def _schedule_check(facts: MomentFacts, each: ScheduleAt, key: str, *, is_alone: bool) -> Check:
    fix = Fix(place=Place.SCHEDULES, pk=facts.job.pk)
    values = {"rule": schedule_text(each.schedule)}
    if each.error:
        words = _("The schedule “%(rule)s” can't be read: %(error)s")
        return failed(key, DUE, words % (values | {"error": each.error}), fix=fix)
    if not each.fires:
        words = " ".join([_("The schedule “%(rule)s” has no fire time in this minute.") % values, _nearest(each)])
        if is_alone and each.schedule.is_enabled:
            return failed(key, DUE, words, fix=fix)
        return not_applicable(key, DUE, words)
    values["at"] = ", ".join(reasons.time_text(at) for at in each.fires[:3]) + (" …" if len(each.fires) > 3 else "")
    if not each.schedule.is_enabled:
        words = _("The schedule “%(rule)s” would fire at %(at)s, but it is disabled.")
        todo = _("Enable the schedule in the job.")
        return failed(key, DUE, words % values, advice=todo, fix=fix)
    if not facts.is_future and not each.is_rule_known:
        values["since"] = reasons.time_text(each.schedule.counted_from_at or facts.now)
        words = _(
            "The schedule “%(rule)s” fires at %(at)s, but it counts only from %(since)s on: "
            "it was made, changed or enabled then."
        )
        return unknown(key, DUE, words % values, fix=fix)
    words = (
        _("The schedule “%(rule)s” fires at %(at)s.")
        if facts.is_future
        else _("The schedule “%(rule)s” was due at %(at)s.")
    )
    return passed(key, DUE, words % values)


def _nearest(each: ScheduleAt) -> str:
    before = reasons.time_text(each.before) if each.before else ""
    after = reasons.time_text(each.after) if each.after else ""
    if before and after:
        return _("The nearest are %(before)s and %(after)s.") % {"before": before, "after": after}
    if after:
        return _("The first is %(after)s.") % {"after": after}
    return _("The last was %(before)s.") % {"before": before} if before else _("It has none at all.")


def _nothing_due(facts: MomentFacts, words: str) -> Check:
    fix = Fix(place=Place.SCHEDULES, pk=facts.job.pk)
    return not_applicable("schedules", DUE, words) if facts.runs else failed("schedules", DUE, words, fix=fix)


def allowed_checks(facts: MomentFacts) -> Iterator[Check]:
    """What a person may have decided: deleted, switched off, tenant switched off, calendar, blackout, freeze."""
    yield _archived_check(facts)
    yield _switch_check(facts)
    yield _tenant_check(facts)
    for number, each in enumerate(facts.expected, start=1):
        yield closed_check(facts, each, f"closed-{number}")


def closed_check(facts: MomentFacts, each: ScheduleAt, key: str) -> Check:
    """Whether a calendar, a blackout window or a freeze closes the time; what a row says of the past goes first."""
    if each.closed is None or each.closed.closure is None:
        return passed(key, ALLOWED, _("No calendar, blackout window or freeze closes this time."))
    is_freeze = each.closed.closure.kind == FROZEN
    fix = Fix(place=Place.FREEZES if is_freeze else Place.CALENDARS)
    todo = advice.for_reason(ReasonCode.FROZEN if is_freeze else ReasonCode.CALENDAR)
    if each.closed.what == MOVED:
        words = moved_reason(each.closed, each.rule).text
        return unknown(key, ALLOWED, words, fix=fix) if facts.runs else failed(key, ALLOWED, words, fix=fix)
    words = outcome_reason(each.closed, each.rule).text
    ran = any(run.reason_code not in (ReasonCode.FROZEN, ReasonCode.CALENDAR) for run in facts.runs)
    if ran:
        return unknown(key, ALLOWED, words + " " + _("It need not have been so then."), fix=fix)
    return failed(key, ALLOWED, words, advice=todo, fix=fix)


def _archived_check(facts: MomentFacts) -> Check:
    gone = facts.job.archived_at
    if gone is None:
        return passed("archived", ALLOWED, _("The job exists."))
    words = _("The job was deleted at %(at)s.") % {"at": reasons.time_text(gone)}
    return failed("archived", ALLOWED, words) if gone <= facts.minute else passed("archived", ALLOWED, words)


def _switch_check(facts: MomentFacts) -> Check:
    switch = facts.switch
    values = {"at": reasons.time_text(switch.at) if switch.at else "", "user": switch.by}
    if switch.is_on:
        words = _("The job was enabled.") if not facts.is_future else _("The job is enabled.")
        return passed("job_enabled", ALLOWED, words)
    if not switch.at:
        words = _("The job was disabled.") if not facts.is_future else _("The job is disabled.")
    elif switch.by:
        words = _("The job has been disabled since %(at)s, by %(user)s.") % values
    else:
        words = _("The job has been disabled since %(at)s.") % values
    fix = Fix(place=Place.JOB, pk=facts.job.pk)
    return failed("job_enabled", ALLOWED, words, advice=advice.for_reason(ReasonCode.JOB_DISABLED), fix=fix)


def _tenant_check(facts: MomentFacts) -> Check:
    tenant = facts.job.tenant
    if tenant.is_active:
        return passed("tenant_active", ALLOWED, _("The tenant is active."))
    if any(run.reason_code != ReasonCode.TENANT_DISABLED for run in facts.runs):
        return unknown("tenant_active", ALLOWED, _("The tenant is disabled now; it need not have been then."))
    fix = Fix(place=Place.TENANT, pk=tenant.pk)
    todo = advice.for_reason(ReasonCode.TENANT_DISABLED)
    return failed("tenant_active", ALLOWED, _("The tenant is disabled."), advice=todo, fix=fix)


def _past_checks(facts: MomentFacts, is_platform: bool) -> Iterator[Check]:
    for run in facts.runs:
        yield _fate_check(facts, run, is_platform=is_platform)
    if not facts.runs:
        yield from undecided_checks(facts, is_platform=is_platform)
    yield from outage_checks(facts, is_platform=is_platform)


def _fate_check(facts: MomentFacts, run: Run, *, is_platform: bool) -> Check:
    """One run of the minute and what became of it."""
    link = Fix(place=Place.RUN, pk=run.pk)
    values = {"run": run.pk, "status": look.look_of(run.status).label, "due": reasons.time_text(run.scheduled_for)}
    key = f"run-{run.pk}"
    if run.status in ACTIVE:
        label = run.get_wait_reason_display() if run.status == RunStatus.QUEUED and run.wait_reason else ""
        words = _("Run #%(run)d, due at %(due)s: %(status)s.") % values
        return unknown(key, RUNS, " ".join([words, str(label)]).strip(), fix=link)
    if run.status == RunStatus.SUCCEEDED:
        return passed(key, RUNS, _("Run #%(run)d, due at %(due)s, ran and succeeded.") % values, fix=link)
    values["why"] = cause_text(run)
    words = _("Run #%(run)d, due at %(due)s. %(why)s") % values
    fix = fix_of(run, is_platform=is_platform) if run.status in NOT_RUN else link
    return failed(key, RUNS, words, advice=advice.for_reason(run.reason_code), fix=fix)


def _ahead_checks(facts: MomentFacts, *, is_platform: bool) -> Iterator[Check]:
    """For a minute to come: what could stop it if nothing changes until then."""
    if not facts.expected:
        return
    yield _overlap_ahead(facts)
    queue = facts.machinery
    yield queue_check(queue, part=ALLOWED, is_platform=is_platform)
    yield workers_check(queue, part=ALLOWED, is_platform=is_platform)
    yield _kind_check(facts)
    yield beat_check(queue, part=ALLOWED, is_platform=is_platform, matters=True)
    yield broker_check(queue, part=ALLOWED, is_platform=is_platform)


def _overlap_ahead(facts: MomentFacts) -> Check:
    rule = str(OverlapPolicy(facts.job.overlap).label)
    if not facts.active_runs:
        return passed("overlap", ALLOWED, _("No run of the job is waiting or running now."))
    names = ", ".join(f"#{run.pk}" for run in facts.active_runs)
    words = ngettext(
        "Run %(runs)s is waiting or running now; if it has not ended by then, the overlap rule applies: %(rule)s.",
        "Runs %(runs)s are waiting or running now; if they have not ended by then, the overlap rule applies: %(rule)s.",
        len(facts.active_runs),
    )
    fix = Fix(place=Place.RUN, pk=facts.active_runs[0].pk)
    return unknown("overlap", ALLOWED, words % {"runs": names, "rule": rule}, fix=fix)


def _kind_check(facts: MomentFacts) -> Check:
    takers = facts.machinery.takers
    if not takers:
        return not_applicable("capable", ALLOWED, _("There is no worker to ask what it can run."))
    able = sum(facts.job.kind in offer_of(worker).kinds for worker in takers)
    values = {"count": able, "all": len(takers), "kind": facts.job.kind}
    if able:
        words = _("%(count)d of %(all)d live workers of the queue can run this kind of job (%(kind)s).")
        return passed("capable", ALLOWED, words % values)
    words = _("None of the %(all)d live workers of the queue can run this job (%(kind)s).")
    return failed("capable", ALLOWED, words % values, fix=Fix(place=Place.JOB, pk=facts.job.pk))


def _answer(facts: MomentFacts, checks: list[Check]) -> Check | None:
    """What was decided in the ledger first; then what a person decided; then the rule; then the machinery."""
    if any(run.status not in NOT_RUN for run in facts.runs):
        return None
    return (
        first_failed(checks, RUNS)
        or (first_failed(checks, ALLOWED) if facts.expected else None)
        or first_failed(checks, DUE)
        or first_failed(checks)
    )


def _headline(facts: MomentFacts, answer: Check | None) -> str:
    ran = [run for run in facts.runs if run.status not in NOT_RUN]
    if ran:
        return _ran_words(ran)
    if facts.is_future:
        if answer is None:
            return _("It will fire, as things stand now.")
        if facts.expected:
            return _("As things stand now it will not run on time: %(why)s") % {"why": answer.text}
        return _("It will not fire then: %(why)s") % {"why": answer.text}
    if answer is not None:
        return _("It did not run: %(why)s") % {"why": answer.text}
    return _("It did not run, and nothing speaks against it.") if facts.expected else _("Nothing was due.")


def _ran_words(ran: list[Run]) -> str:
    first = ran[0]
    values = {"run": first.pk, "status": look.look_of(first.status).label, "count": len(ran) - 1}
    words = _("It ran: run #%(run)d, %(status)s.") if first.status not in ACTIVE else _("Run #%(run)d: %(status)s.")
    if len(ran) > 1:
        more = ngettext("And %(count)d more.", "And %(count)d more.", len(ran) - 1)
        words = f"{words} {more}"
    return words % values
