"""The jobs that name a script of the library: who they are, and how they take its new versions."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from accounts import audit
from accounts.models import User
from accounts.permissions import can
from datasources.models import DataSource, SqlScript
from jobs import catalog
from jobs.models import Job


class JobsOfScripts:
    """What `datasources.script_users` asks of jobs."""

    def rows(self, script: SqlScript) -> QuerySet[Job]:
        named = {"kind": "sql", "params__script": script.slug}
        return Job.objects.filter(tenant_id=script.tenant_id, archived_at=None, **named).order_by("pk")

    def refusal(self, script: SqlScript, *, author: User | None) -> str:
        """Whoever writes the text that jobs run next must be allowed to use the datasources they run it on."""
        if author is None:
            return ""
        for job in self._followers(script):
            source = DataSource.objects.filter(tenant_id=job.tenant_id, slug=job.params.get("datasource")).first()
            if source is None or can(author, "use", source):
                continue
            if not can(author, "view", job):
                return _("A job takes its latest version to a datasource that you may not use: ask a tenant admin.")
            words = _(
                "The job “%(job)s” takes its latest version to the datasource “%(slug)s”, which you may not use: "
                "have the job keep a version first, or ask for the right."
            )
            return words % {"job": job.name, "slug": source.slug}
        return ""

    def follow(self, script: SqlScript, *, actor: User | None) -> None:
        """A new revision of each job that takes the latest; its author, whose rights a run has, stays who it was."""
        for job in self._followers(script):
            with transaction.atomic():
                held = Job.objects.select_for_update().get(pk=job.pk)
                before = held.revision
                after = catalog.publish(held, actor=before.author if before else actor)
                if after != before:
                    details = {"changed": ["script version"], "script": script.slug}
                    audit.record("jobs.job.updated", actor=actor, target=held, summary=held.slug, details=details)

    def _followers(self, script: SqlScript) -> list[Job]:
        return [job for job in self.rows(script) if job.params.get("version") is None]


def follow_scripts(*, since: datetime) -> int:
    """Jobs that were saved while their script was: the safety net. Returns how many scripts were looked at."""
    rows = SqlScript.objects.filter(updated_at__gte=since)
    for script in rows:
        JobsOfScripts().follow(script, actor=None)
    return len(rows)
