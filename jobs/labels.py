"""A job's labels. They say what it belongs to and change nothing about what runs, so no revision has them.

Rules of alerts and notifications choose jobs by label, slug and category. alerts is above jobs: it leaves a listener
here, which is called inside the transaction of the change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.db import transaction
from django.db.models import QuerySet

from accounts import audit
from accounts.models import User
from jobs.models import Job
from portal.lib.labels import label_lines, labels_of

MOST_OFFERED = 200

listeners: list[Callable[[int], None]] = []  # of the tenant's id


def save_labels(job: Job, *, actor: User | None, labels: Mapping[str, str]) -> bool:
    """Replace the labels. False: they were so already. The caller has asked for the right to change the job.

    Raises ValueError with a sentence.
    """
    wanted = labels_of(labels)
    if wanted == job.labels:
        return False
    with transaction.atomic():
        job.labels = wanted
        job.save(update_fields=["labels", "updated_at"])
        told(job.tenant_id)
        details = {"labels": label_lines(wanted)}
        audit.record("jobs.job.labelled", actor=actor, target=job, summary=job.slug, details=details)
    return True


def told(tenant_id: int) -> None:
    """Say that jobs of the tenant may be chosen by other rules now. In the transaction of the change."""
    for listener in listeners:
        listener(tenant_id)


def labels_among(jobs: QuerySet[Job]) -> list[str]:
    """The labels of these jobs, as people write them, each once; at most MOST_OFFERED."""
    rows = jobs.order_by().exclude(labels={}).values_list("labels", flat=True)
    found = {line for labels in rows.iterator(chunk_size=2000) for line in label_lines(labels)}
    return sorted(found)[:MOST_OFFERED]


def labelled(jobs: QuerySet[Job], line: str) -> QuerySet[Job]:
    """Those of the jobs that have the label, with that value if one is given."""
    name, sign, value = line.partition("=")
    rows = jobs.order_by().filter(labels__has_key=name).values_list("pk", "labels")
    # The value is compared here: a name of digits would be a place in a list to the databases.
    return jobs.filter(pk__in=[pk for pk, labels in rows if not sign or labels.get(name) == value])
