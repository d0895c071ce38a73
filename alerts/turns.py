"""Whose turn it is in a pass of the post office, and when each was last made, so that silence can be told.

A turn is a locked row, for one transaction. A process that dies gives it back; from one whose host is gone, or that
stands still in the middle of the transaction, the database takes it after `LONGEST_IDLE`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, connection, transaction

from alerts.models import OfficeTurn
from jobs import dbclock

TURN_EVERY = timedelta(seconds=15)  # how often it is written
SILENCE = timedelta(minutes=2)
LONGEST_IDLE = timedelta(seconds=60)  # without a statement, in the transaction that has the turn


def take_turn(name: str) -> bool:
    """Lock the turn until the transaction ends; False when another process has it."""
    _limit_idleness()
    OfficeTurn.objects.get_or_create(name=name)
    rows = OfficeTurn.objects.filter(name=name)
    if connection.features.has_select_for_update:
        rows = rows.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
    return rows.first() is not None


def _limit_idleness() -> None:
    """MySQL knows no such limit: there a host that is gone keeps its turn as long as `wait_timeout` says."""
    seconds = int(LONGEST_IDLE.total_seconds())
    if connection.vendor == "postgresql":
        statement = f"SET LOCAL idle_in_transaction_session_timeout = '{seconds}s'"
    elif connection.vendor == "mysql" and getattr(connection, "mysql_is_mariadb", False):
        statement = f"SET SESSION idle_transaction_timeout = {seconds}"
    else:
        return
    with connection.cursor() as cursor:
        cursor.execute(statement)


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
