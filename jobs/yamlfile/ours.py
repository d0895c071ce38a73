"""The sections that jobs knows, in the order in which they need each other."""

from __future__ import annotations

from accounts.models import Tenant
from datasources.models import DataSource, Secret
from jobs.models import Calendar
from jobs.yamlfile import writer
from jobs.yamlfile.calendars import save_calendar_entry
from jobs.yamlfile.entries import read_calendar, read_datasource, read_job, read_script, read_secret
from jobs.yamlfile.jobs import save_job
from jobs.yamlfile.scripts import save_script
from jobs.yamlfile.sections import Section
from jobs.yamlfile.sources import save_datasource, save_secret


def _datasources(tenant: Tenant) -> list[dict[str, object]]:
    return [writer.datasource_entry(row) for row in DataSource.objects.filter(tenant=tenant).order_by("slug")]


def _secrets(tenant: Tenant) -> list[object]:
    return [writer.secret_entry(row) for row in Secret.objects.filter(tenant=tenant).order_by("name")]


def _calendars(tenant: Tenant) -> list[dict[str, object]]:
    return [writer.calendar_entry(row) for row in Calendar.objects.filter(tenant=tenant).order_by("slug")]


def _scripts(tenant: Tenant) -> list[dict[str, object]]:
    return [writer.script_entry(row) for row in writer.scripts_of(tenant)]


def _jobs(tenant: Tenant) -> list[dict[str, object]]:
    return [writer.job_entry(row) for row in writer.jobs_of(tenant)]


OURS = (
    Section(name="datasources", word="datasource", read=read_datasource, save=save_datasource, entries=_datasources),
    Section(name="secrets", word="secret", key="name", read=read_secret, save=save_secret, entries=_secrets),
    Section(name="calendars", word="calendar", read=read_calendar, save=save_calendar_entry, entries=_calendars),
    Section(name="scripts", word="script", read=read_script, save=save_script, entries=_scripts),
    Section(name="jobs", word="job", read=read_job, save=save_job, entries=_jobs),
)
