"""The state machines of alerts, incidents and notifications, and the words a rule may name. PURE."""

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class AlertState(models.TextChoices):
    """What is known of an alert's condition. The last three say that it is not known, and why."""

    OK = "ok", _("OK")
    PENDING = "pending", _("Pending")
    FIRING = "firing", _("Firing")
    ERROR = "error", _("Check fails")
    STALE = "stale", _("No result in time")
    NO_DATA = "no_data", _("No data")


TROUBLE = frozenset({AlertState.ERROR, AlertState.STALE, AlertState.NO_DATA})
NOTIFIABLE = frozenset({AlertState.FIRING, *TROUBLE})  # these have an incident


class Severity(models.TextChoices):
    """How urgent it is; `rank` compares them."""

    INFO = "info", _("Info")
    WARNING = "warning", _("Warning")
    CRITICAL = "critical", _("Critical")

    @property
    def rank(self) -> int:
        """0 for the least urgent."""
        return list(type(self)).index(self)


class Source(models.TextChoices):
    """What an alert rule looks at."""

    RESULT = "result", _("A job's result")
    OUTCOME = "outcome", _("How runs end")
    PORTAL = "portal", _("The portal itself")


class IncidentStatus(models.TextChoices):
    """A resolved incident never opens again: what comes back is a new one."""

    OPEN = "open", pgettext_lazy("incident", "Open")
    ACKNOWLEDGED = "acknowledged", _("Acknowledged")
    RESOLVED = "resolved", _("Resolved")


I = IncidentStatus  # noqa: E741

UNRESOLVED = frozenset({I.OPEN, I.ACKNOWLEDGED})

# None is "no row yet". Back to open: somebody took the acknowledgement back, or its time ran out.
INCIDENT_TRANSITIONS: dict[IncidentStatus | None, frozenset[IncidentStatus]] = {
    None: frozenset({I.OPEN}),
    I.OPEN: frozenset({I.ACKNOWLEDGED, I.RESOLVED}),
    I.ACKNOWLEDGED: frozenset({I.OPEN, I.RESOLVED}),
    I.RESOLVED: frozenset(),
}


class Happened(models.TextChoices):
    """The kinds of lines in an incident's timeline."""

    OPENED = "opened", _("Opened")
    JOINED = "joined", _("One more alert")
    LEFT = "left", _("Alert over")
    BAD_RESULT = "bad_result", _("One more bad result")
    REMINDED = "reminded", _("Reminder")
    FLAPPING = "flapping", _("Flapping")
    SETTLED = "settled", _("Calmed down")
    NOTIFIED = "notified", _("Notification")
    ESCALATED = "escalated", _("Escalated")
    ACKNOWLEDGED = "acknowledged", _("Acknowledged")
    REOPENED = "reopened", _("Acknowledgement taken back")
    OWNED = "owned", _("Owner")
    SNOOZED = "snoozed", _("Snoozed")
    WOKEN = "woken", _("Snooze over")
    COMMENTED = "commented", _("Comment")
    RESOLVED = "resolved", _("Resolved")


class NotificationStatus(models.TextChoices):
    """Where a message of the outbox is. `HELD`: for quiet hours or a digest. `SUPPRESSED`: meant not to be sent."""

    PENDING = "pending", _("Waits to be sent")
    HELD = "held", _("Held back")
    SENDING = "sending", _("Being sent")
    SENT = "sent", _("Sent")
    DEAD = "dead", _("Given up")
    SUPPRESSED = "suppressed", _("Suppressed")


N = NotificationStatus

UNDELIVERED = frozenset({N.PENDING, N.HELD, N.SENDING})
SETTLED = frozenset({N.SENT, N.DEAD, N.SUPPRESSED})

# Sending → pending is a try that failed, or a sender that died; dead → pending is somebody who sends it again.
# Suppressed → pending or held: another rule, or another alert of the incident, wants it told after all.
NOTIFICATION_TRANSITIONS: dict[NotificationStatus | None, frozenset[NotificationStatus]] = {
    None: frozenset({N.PENDING, N.HELD, N.SUPPRESSED}),
    N.PENDING: frozenset({N.SENDING, N.SUPPRESSED, N.DEAD}),
    N.HELD: frozenset({N.PENDING, N.SUPPRESSED}),
    N.SENDING: frozenset({N.SENT, N.PENDING, N.DEAD}),
    N.SENT: frozenset(),
    N.DEAD: frozenset({N.PENDING}),
    N.SUPPRESSED: frozenset({N.PENDING, N.HELD}),
}


class Trigger(models.TextChoices):
    """What a notification rule may name. One run may pull several: it succeeded, and it was late."""

    SUCCESS = "success", _("Run succeeded")
    BUSINESS_FAILURE = "business_failure", _("Business failure")
    TECHNICAL_FAILURE = "technical_failure", _("Technical failure")
    TIMEOUT = "timeout", _("Timed out")
    MISSED = "missed", _("Missed")
    SKIPPED = "skipped", _("Skipped")
    LOST = "lost", _("Lost")
    LATE = "late", _("Started late")
    TOO_LONG = "too_long", _("Runs unusually long")
    SUSPICIOUS = "suspicious", _("Suspicious success")
    FIRING = "firing", _("Alert fires")
    STILL_FIRING = "still_firing", _("Alert still fires")
    RECOVERED = "recovered", _("Recovered")
    ERROR = "error", _("Check fails")
    STALE = "stale", _("No result in time")
    NO_DATA = "no_data", _("No data")
    ACKNOWLEDGED = "acknowledged", _("Incident acknowledged")
    ESCALATED = "escalated", _("Incident escalated")
    OUTAGE = "outage", _("Part of the portal is silent")
    OUTAGE_OVER = "outage_over", _("Part of the portal is back")


T = Trigger
TEST = "test"  # what a message of nobody's rule is about: somebody, or a fire drill, tries out a channel

RUN_FAILURES = frozenset({T.BUSINESS_FAILURE, T.TECHNICAL_FAILURE, T.TIMEOUT, T.LOST})
RUN_ENDS = frozenset({T.SUCCESS, *RUN_FAILURES, T.MISSED, T.SKIPPED})  # a run pulls at most one of these
RUN_REMARKS = frozenset({T.LATE, T.TOO_LONG, T.SUSPICIOUS})  # … and any of these besides
RUN_TRIGGERS = RUN_ENDS | RUN_REMARKS
ALERT_TRIGGERS = frozenset({T.FIRING, T.STILL_FIRING, T.RECOVERED, T.ERROR, T.STALE, T.NO_DATA})
INCIDENT_TRIGGERS = frozenset({T.ACKNOWLEDGED, T.ESCALATED})
OUTAGES = {T.FIRING: T.OUTAGE, T.RECOVERED: T.OUTAGE_OVER}  # what else an alert about the portal itself is
PORTAL_TRIGGERS = frozenset(OUTAGES.values())
EXECUTED = frozenset({T.SUCCESS, T.BUSINESS_FAILURE, T.TECHNICAL_FAILURE, T.TIMEOUT})  # the job's own doing
OF_A_JOB = RUN_TRIGGERS | {T.RECOVERED}  # what a rule of a job may name
