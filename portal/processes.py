"""What this process is. A beat needs neither pages nor executors, and with a hundred schedules or a hundred thousand
it shall stay small; a worker needs no pages."""

import sys
from pathlib import PurePath

SERVICES = frozenset({"beat", "worker"})


def celery_service(argv: list[str] | None = None) -> str:
    """ "beat" or "worker" in a process that `celery -A portal beat|worker` started, else empty."""
    words = sys.argv if argv is None else argv
    path = PurePath(words[0]) if words else PurePath()
    if "celery" not in (path.name, path.parent.name):
        return ""
    return next((word for word in words[1:] if word in SERVICES), "")
