"""When each pass of the post office was last made, by whichever office, so that silence can be told."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from alerts.models import OfficeTurn
from jobs import dbclock

TURN_EVERY = timedelta(seconds=15)  # how often it is written
SILENCE = timedelta(minutes=2)


class Turns:
    """Of one office."""

    def __init__(self, holder: str) -> None:
        self.holder = holder[:160]
        self._written: dict[str, datetime] = {}

    def was_done(self, name: str) -> None:
        """Now and then it is written; what another office has just written is left."""
        now = dbclock.now()
        if name in self._written and now - self._written[name] < TURN_EVERY:
            return
        self._written[name] = now
        turn = OfficeTurn.objects.filter(name=name).values_list("at", flat=True).first()
        if turn is not None and now - turn < TURN_EVERY:
            return
        if OfficeTurn.objects.filter(name=name).update(at=now, holder=self.holder):
            return
        try:
            with transaction.atomic():
                OfficeTurn.objects.create(name=name, at=now, holder=self.holder)
        except IntegrityError:
            pass  # another office was quicker


def last_turns() -> dict[str, datetime]:
    """Pass → when it was last made. Empty where no office has ever worked."""
    turns = OfficeTurn.objects.filter(at__isnull=False).order_by("name").values_list("name", "at")
    return {name: at for name, at in turns if at is not None}


def silent(now: datetime) -> dict[str, datetime]:
    """The passes that nobody has made for SILENCE. One that never was is not silent: it was never there."""
    return {name: at for name, at in last_turns().items() if now - at > SILENCE}
