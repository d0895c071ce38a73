"""The tables of states."""

from alerts import states
from alerts.states import (
    INCIDENT_TRANSITIONS,
    NOTIFICATION_TRANSITIONS,
    SETTLED,
    UNDELIVERED,
    IncidentStatus,
    NotificationStatus,
    Severity,
    Trigger,
)


def reachable(table):
    found: set = set()
    todo = [None]
    while todo:
        for status in table[todo.pop()] - found:
            found.add(status)
            todo.append(status)
    return found


def test_every_status_can_be_reached_and_says_where_it_leads():
    for table, kind in ((INCIDENT_TRANSITIONS, IncidentStatus), (NOTIFICATION_TRANSITIONS, NotificationStatus)):
        assert set(table) == {None, *kind}
        assert reachable(table) == set(kind)


def test_a_resolved_incident_and_a_sent_message_stay_so():
    assert not INCIDENT_TRANSITIONS[IncidentStatus.RESOLVED]
    assert not NOTIFICATION_TRANSITIONS[NotificationStatus.SENT]
    assert set(NotificationStatus) == UNDELIVERED | SETTLED
    assert not UNDELIVERED & SETTLED


def test_every_trigger_belongs_to_one_group():
    groups = [states.RUN_ENDS, states.RUN_REMARKS, states.ALERT_TRIGGERS, states.INCIDENT_TRIGGERS]
    groups.append(states.PORTAL_TRIGGERS)
    assert sorted(one for group in groups for one in group) == sorted(Trigger)


def test_every_state_that_is_told_is_a_trigger_of_the_same_name():
    assert {one.value for one in states.NOTIFIABLE} <= set(Trigger.values)


def test_severities_have_an_order():
    assert sorted(Severity, key=lambda one: one.rank) == [Severity.INFO, Severity.WARNING, Severity.CRITICAL]
