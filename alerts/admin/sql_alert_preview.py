"""*Run once* of a SQL alert: the query under the rules of the console, and the condition judged on that very result."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from alerts import evaluate, findings
from alerts.admin.sql_alert_form import BaseSqlAlertForm
from alerts.findings import Finding, Ledger
from alerts.models import AlertRule
from alerts.signals import Verdict
from alerts.trials import NoPast
from datasources import console, scripts
from datasources.admin.console_cells import grid
from datasources.admin.console_form import guessed
from datasources.console import Answer, Question
from datasources.query import ResultSet
from jobs import dbclock
from portal.lib.fielderrors import FieldErrors
from portal.lib.runparams import validate_run_params

MOST_ROWS = 1000  # as many as a SQL job keeps by default, so that the same is judged
SHOWN_ROWS = 50


def context_of(form: BaseSqlAlertForm, *, user: User) -> dict[str, Any]:
    """Run the query that is filled in; only after validation, when `form.asks`."""
    judges = form.judges
    try:
        question = _question(form)
    except FieldErrors as error:
        return {"preview_problem": str(error.errors[0].message)}
    answer = console.ask(question, user=user)
    if not answer.is_ok:
        line = _("Line %(line)d: ") % {"line": answer.line} if answer.line else ""
        return {"preview_problem": f"{line}{answer.problem}", "preview_notes": answer.notes}
    found = _last_table(answer)
    finding = judge(form.instance, found) if judges else None
    shown = ResultSet(columns=found.columns, rows=found.rows[:SHOWN_ROWS], types=found.types) if found else None
    return {
        "preview": True,
        "preview_sentence": _rows_in_words(found),
        "preview_grid": grid(shown) if shown else None,
        "preview_columns": found.columns if found else [],
        "preview_ms": round(answer.elapsed * 1000),
        "preview_verdict": verdict_in_words(form.instance, finding) if finding else "",
        "preview_tone": _TONES.get(finding.verdict, "info") if finding and finding.verdict else "info",
        "picks_keys": bool(form.instance.is_row_level),
    }


_TONES = {Verdict.BAD: "bad", Verdict.BROKEN: "bad", Verdict.NO_DATA: "warn", Verdict.GOOD: "good"}


def _question(form: BaseSqlAlertForm) -> Question:
    data = form.cleaned_data
    source, text, schema = data["datasource"], data["sql"], list(guessed(data["values_json"]))
    if data["script"]:
        version = scripts.find_version(source.tenant_id, data["script"], data["version"])
        if version is None:
            raise FieldErrors.of("script", _("There is no such version of the SQL script: choose another."))
        own = {each["name"] for each in schema}
        params = scripts.params_of(version)
        schema += [each.model_dump(mode="json") for each in params if each.name not in own]
        text = version.text
    values = validate_run_params(schema, {})
    return Question(source=source, text=text, values=values, max_rows=MOST_ROWS, purpose=_("SQL alert"))


def _last_table(answer: Answer) -> ResultSet | None:
    """As a SQL job keeps it: of the last statement that has columns."""
    return next((part.result for part in reversed(answer.parts) if part.result.columns), None)


def _rows_in_words(found: ResultSet | None) -> str:
    if found is None:
        return _("No table came back: the last statement must be a SELECT.")
    count = len(found.rows)
    if found.truncated:
        return _("More than %(count)d rows came back; the rest was left out.") % {"count": count}
    return ngettext("%(count)d row came back.", "%(count)d rows came back.", count) % {"count": count}


def judge(rule: AlertRule, found: ResultSet | None) -> Finding:
    """As the live engine would, with what it remembers of the rule."""
    now = dbclock.now()
    status = rule.statuses.first() if rule.pk else None
    past: findings.Past = Ledger(status) if status else NoPast()
    result = {"columns": found.columns, "rows": found.rows, "truncated": found.truncated} if found else None
    observation = findings.observe(result, now, past)
    if rule.is_row_level:
        return findings.weigh_rows(rule.key_columns, past.identities(), set(past.acknowledged()), observation)
    return findings.weigh(rule, observation)


def verdict_in_words(rule: AlertRule, finding: Finding) -> str:
    """ "It would fire now: 3 rows came back …"."""
    why = finding.sentence.text if finding.sentence else ""
    policy = evaluate.policy_of(rule)
    waits = policy.needed_count > 1 or bool(policy.hold_for)
    words = {
        Verdict.BAD: _("It would be bad now, and fire when that lasts: %(why)s") if waits else
        _("It would fire now: %(why)s"),
        Verdict.GOOD: _("It would not fire now: %(why)s"),
        Verdict.BETWEEN: _("It would not fire now, and not be over either if it did: %(why)s"),
        Verdict.NO_DATA: _("It could not be told now: %(why)s"),
        Verdict.BROKEN: _("The check would fail now: %(why)s"),
    }  # fmt: skip
    return words[finding.verdict] % {"why": why} if finding.verdict else why
