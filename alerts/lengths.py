"""How long what people fill in may be: the same in forms and in definitions files. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils.translation import gettext as _
from pydantic import AfterValidator

from portal.lib.durations import format_duration

LONGEST = timedelta(days=366)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Both are allowed themselves."""

    least: timedelta = timedelta(0)
    most: timedelta = LONGEST

    def check(self, value: timedelta) -> timedelta:
        """The value; ValueError with a sentence when it is outside."""
        if not self.least <= value <= self.most:
            words = _("This must be between %(least)s and %(most)s.")
            limits = {"least": format_duration(self.least), "most": format_duration(self.most)}
            raise ValueError(words % limits)
        return value

    @property
    def validator(self) -> AfterValidator:
        """For pydantic: Annotated[Duration, DRILL.validator]."""
        return AfterValidator(self.check)


ANY = Limits()
DRILL = Limits(least=timedelta(hours=1))  # between two fire drills of a channel
ACKNOWLEDGED = Limits(least=timedelta(minutes=1))  # how long an acknowledgement holds
STEP = Limits(most=timedelta(days=30))  # before a step of an escalation policy
SHIFT = Limits(least=timedelta(hours=1), most=timedelta(days=92))  # of a rota
