"""The SQL scripts of a definitions file."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.models import Tenant, User
from datasources import scripts
from datasources.models import DataSource, SqlScript
from jobs.yamlfile.entries import ScriptEntry
from jobs.yamlfile.sections import Saved, Wanted
from jobs.yamlfile.writer import script_entry
from portal.lib.fielderrors import FieldError, FieldErrors


def save_script(tenant: Tenant, wanted: Wanted, actor: User | None) -> Saved:
    """Create or update by slug; jobs that take the latest version take what this makes."""
    entry: ScriptEntry = wanted.entry
    row = SqlScript.objects.filter(tenant=tenant, slug=entry.slug).select_related("current").first()
    before = script_entry(row) if row else None
    row = row or SqlScript(tenant=tenant, slug=entry.slug)
    row.name, row.description = entry.name or row.name or entry.slug, entry.description
    draft = scripts.Draft(
        text=entry.sql, parameters=entry.parameters, note=entry.note, datasources=_linked(tenant, entry)
    )
    try:
        scripts.save_script(row, draft, actor=actor)
    except FieldErrors as refused:
        raise FieldErrors([_as_written(error, wanted) for error in refused.errors]) from None
    return before, script_entry(SqlScript.objects.select_related("current").get(pk=row.pk))


def _linked(tenant: Tenant, entry: ScriptEntry) -> list[DataSource]:
    found = {row.slug: row for row in DataSource.objects.filter(tenant=tenant, slug__in=entry.datasources)}
    words = _("There is no datasource “%(slug)s” in this tenant: check its slug.")
    missing = [
        FieldError(path=f"datasources[{place}]", message=words % {"slug": slug[:60]})
        for place, slug in enumerate(entry.datasources)
        if slug not in found
    ]
    if missing:
        raise FieldErrors(missing)
    return list(found.values())


def _as_written(error: FieldError, wanted: Wanted) -> FieldError:
    place = wanted.files[0] if wanted.files else "sql"
    return FieldError(path=place if error.path == "text" else error.path, message=error.message)
