"""What entries name by slug: rows of the tenant that the actor may see, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, Q
from django.utils.translation import gettext_lazy as _

from accounts.models import Tenant, User
from accounts.permissions import visible_to
from alerts.models import AlertRule, Channel, EscalationPolicy, OnCallRota
from jobs.models import Job
from portal.lib.fielderrors import FieldError, FieldErrors

M = TypeVar("M", bound=Model)
WORDS: dict[type[Model], Any] = {
    Job: _("There is no job “%(slug)s” in this tenant: check its slug."),
    AlertRule: _("There is no alert rule “%(slug)s” in this tenant: check its slug."),
    Channel: _("There is no channel “%(slug)s” in this tenant: check its slug."),
    EscalationPolicy: _("There is no escalation policy “%(slug)s” in this tenant: check its slug."),
    OnCallRota: _("There is no on-call rota “%(slug)s” in this tenant: check its slug."),
}


class Lookup:
    """Of one tenant, as one actor (None: the operator of this machine) sees it. Notes what is not there."""

    def __init__(self, tenant: Tenant, actor: User | None) -> None:
        self.tenant, self.actor = tenant, actor
        self.errors: list[FieldError] = []

    def one(self, model: type[M], slug: str, path: str) -> M | None:
        """The row of that slug; None when no slug is given, and after noting that there is no such row."""
        return next(iter(self.several(model, [slug], path, is_list=False)), None) if slug else None

    def several(self, model: type[M], slugs: Sequence[str], path: str, *, is_list: bool = True) -> list[M]:
        """Each once, in their order."""
        rows = self._rows(model, slugs)
        self._note(model, slugs, rows, path, is_list=is_list)
        return [rows[slug] for slug in dict.fromkeys(slugs) if slug in rows]

    def check_selector(self, selector: Mapping[str, Any], stored: Mapping[str, Any]) -> None:
        """What it names is there, or was named before: a job that is gone makes no new mistake."""
        for name, model in (("jobs", Job), ("rules", AlertRule)):
            slugs = selector.get(name)
            if isinstance(slugs, list) and all(isinstance(slug, str) for slug in slugs):
                there = {*self._rows(model, slugs), *stored.get(name, ())}
                self._note(model, slugs, there, f"select.{name}")

    def done(self, more: Iterable[FieldError] = ()) -> None:
        """Raises FieldErrors with all that was noted, if anything was."""
        errors = [*self.errors, *more]
        if errors:
            raise FieldErrors(errors)

    def _rows(self, model: type[M], slugs: Sequence[str]) -> dict[str, M]:
        """By slug."""
        rows = model._default_manager.filter(Q(tenant=self.tenant, slug__in=slugs))
        rows = rows.filter(archived_at=None) if model is Job else rows
        rows = rows if self.actor is None else visible_to(self.actor, rows)
        return {str(row.slug): row for row in rows}  # type: ignore[attr-defined]

    def _note(
        self, model: type[Model], slugs: Sequence[str], there: Iterable[str], path: str, *, is_list: bool = True
    ) -> None:
        known = set(there)
        for place, slug in enumerate(slugs):
            if slug not in known:
                where = f"{path}[{place}]" if is_list else path
                self.errors.append(FieldError(path=where, message=str(WORDS[model]) % {"slug": slug[:60]}))


def text_refusals(row: Model, *columns: str) -> list[FieldError]:
    """What the model itself says against these columns."""
    try:
        row.clean_fields(exclude=[field.name for field in row._meta.fields if field.name not in columns])
    except ValidationError as error:
        return [FieldError(path=name, message=words) for name, all_ in error.message_dict.items() for words in all_]
    return []


def as_written(errors: Iterable[FieldError], names: Mapping[str, str]) -> list[FieldError]:
    """Columns under the names that the file has for them: "condition_params.x" is "condition.row_count.x"."""
    return [FieldError(path=_renamed(error.path, names), message=error.message) for error in errors]


def _renamed(path: str, names: Mapping[str, str]) -> str:
    for column, name in names.items():
        if path == column or path.startswith((f"{column}.", f"{column}[")):
            return name + path[len(column) :]
    return path


def without_empty(entry: Mapping[str, Any], *kept: str) -> dict[str, Any]:
    """Without texts, lists and settings that are empty, and without what is not set."""
    return {name: value for name, value in entry.items() if name in kept or value not in ("", None, [], {})}
