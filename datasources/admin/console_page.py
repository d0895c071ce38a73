"""What a page of the query console does with what was posted, and what it shows of the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.admin_scope import narrowed, user_of
from accounts.permissions import visible_to
from datasources import console, console_links
from datasources.admin.console_cells import Grid, csv_lines, grid
from datasources.admin.console_form import AskForm
from datasources.console import Answer, Part, Question
from datasources.models import DataSource, QueryRecord
from datasources.query import split
from datasources.states import QueryMode

if TYPE_CHECKING:
    from accounts.admin_base import TenantAdmin

PAGE, FRAGMENT = "admin/datasources/console/page.html", "admin/datasources/console/_result.html"
LATEST = 8


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One statement's result on the page."""

    part: Part
    grid: Grid | None
    sentence: str
    milliseconds: int


def usable(request: HttpRequest) -> QuerySet[DataSource]:
    """The datasources of the current tenant that the user may use."""
    rows = visible_to(user_of(request), DataSource.objects.filter(is_active=True), "use")
    return narrowed(request, rows).select_related("tenant").order_by("name", "id")


def respond(
    request: HttpRequest, page: TenantAdmin, form: AskForm, extra: dict[str, Any], *, is_asked: bool = True
) -> HttpResponseBase:
    """The page; to a script that asks (X-Requested-With) the part with the result only; or a file."""
    answer = question = None
    if is_asked and request.method == "POST" and form.is_valid():
        question = form.question(request.POST, mode_of(request.POST.get("mode", "")))
        number = request.POST.get("csv", "")
        question = one_statement(question, number) if number else question
        answer = console.ask(question, user=user_of(request))
        if number and answer.is_ok and answer.parts:
            return csv_file(question, answer)
    is_part = request.headers.get("X-Requested-With") == "XMLHttpRequest"
    context = {
        **page.admin_site.each_context(request),
        "opts": page.opts,
        "form": form,
        "is_part": is_part,
        "key": uuid4(),
        "latest": latest(request),
        **extra,
        **(shown(question, answer) if question and answer else {}),
    }
    return TemplateResponse(request, FRAGMENT if is_part else PAGE, context)


def mode_of(text: str) -> QueryMode:
    return QueryMode(text) if text in QueryMode.values else QueryMode.READ


def latest(request: HttpRequest) -> QuerySet[QueryRecord]:
    rows = own_queries(request).filter(datasource__in=usable(request))
    return rows.select_related("datasource").order_by("-id")[:LATEST]


def own_queries(request: HttpRequest) -> QuerySet[QueryRecord]:
    """Nobody sees another person's queries, and one's own only of what one may still use."""
    user = user_of(request)
    allowed = visible_to(user, DataSource.objects.all(), "use").order_by().values("pk")
    return QueryRecord.objects.filter(user=user, datasource__in=allowed)


def shown(question: Question, answer: Answer) -> dict[str, Any]:
    """What the template says of an answer."""
    looks = question.mode in (QueryMode.READ, QueryMode.PLAN)
    one = question.mode == QueryMode.READ and answer.is_ok and len(answer.parts) == 1
    links = (
        console_links.links_for(question.source, question.text, question.values, key=answer.key)
        if one and answer.key
        else []
    )
    return {
        "answer": answer,
        "mode": str(question.mode),
        "parts": [_shown(part, question.mode) for part in answer.parts],
        "milliseconds": round(answer.elapsed * 1000),
        "headline": "" if looks else _headline(question, answer),
        "links": links,
        "has_csv": question.mode == QueryMode.READ,
    }


def _shown(part: Part, mode: QueryMode) -> Shown:
    found = part.result
    return Shown(
        part=part,
        grid=grid(found) if found.columns else None,
        sentence=_sentence(part, mode),
        milliseconds=round(found.elapsed * 1000),
    )


def _sentence(part: Part, mode: QueryMode) -> str:
    found = part.result
    count = found.row_count
    if found.columns and found.truncated:
        words = _("Only the first %(count)d rows are shown: there are more.")
        return words % {"count": count or 0}
    if found.columns and not count:
        return _("No rows came back.")
    if found.columns:
        return ngettext("%(count)d row came back.", "%(count)d rows came back.", count or 0) % {"count": count}
    changed = count if found.affected is None else found.affected
    if changed is None:
        return _("Done.")
    if mode == QueryMode.REHEARSE:
        words = ngettext("%(count)d row would be changed.", "%(count)d rows would be changed.", changed)
        return words % {"count": changed}
    return ngettext("%(count)d row was changed.", "%(count)d rows were changed.", changed) % {"count": changed}


def _headline(question: Question, answer: Answer) -> str:
    """What a rehearsal or a change came to."""
    if not answer.is_ok:
        return ""
    count = answer.affected
    if question.mode == QueryMode.WRITE:
        if count is None:
            return _("The change was made.")
        return ngettext("%(n)d row was changed.", "%(n)d rows were changed.", count) % {"n": count}
    count = count or 0
    words = ngettext(
        "It would change %(n)d row; all of it is undone.", "It would change %(n)d rows; all of it is undone.", count
    )
    said = words % {"n": count}
    most = question.source.max_affected_rows
    if most is not None and count > most:
        more = _("That is more than %(most)d: a second person must approve it.") % {"most": most}
        return f"{said} {more}"
    return said


def one_statement(question: Question, number: str) -> Question:
    """For a file: the statement of that number alone, read-only."""
    found = split(question.text, question.source.kind)
    place = int(number) - 1 if number.isdecimal() and len(number) < 4 else -1
    text = found[place].text if 0 <= place < len(found) else ""
    return replace(question, text=text, mode=QueryMode.READ)


def csv_file(question: Question, answer: Answer) -> StreamingHttpResponse:
    def lines() -> Iterator[str]:
        yield from csv_lines(answer.parts[0].result)

    return StreamingHttpResponse(
        lines(),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{question.source.slug}.csv"',
            "Cache-Control": "no-store",
        },
    )
