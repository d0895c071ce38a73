"""Role → permissions, as data. `accounts.permissions` reads it through settings.PORTAL_ROLES."""

VIEW = [
    "jobs.view_job",
    "jobs.view_schedule",
    "jobs.view_run",
    "jobs.view_jobrevision",
    "jobs.view_calendar",
    "jobs.view_blackout",
    "jobs.view_freeze",
    "datasources.view_datasource",
    "datasources.view_writeapproval",
    "datasources.view_sqlscript",
    "alerts.view_incident",
    "alerts.view_notification",
    "alerts.view_inboxmessage",  # one's own alone, whatever the role
    "alerts.view_alertrule",
    "alerts.view_notificationrule",
    "alerts.view_channel",
    "alerts.view_silence",
    "alerts.view_escalationpolicy",
    "alerts.view_oncallrota",
    "alerts.view_incominghook",
]
OPERATE = [
    *VIEW, "jobs.run_job", "alerts.acknowledge_incident",
    "alerts.change_alertrow", "alerts.add_silence", "alerts.change_silence",
]  # fmt: skip
EDIT = [
    *OPERATE,
    "jobs.add_job", "jobs.change_job", "jobs.delete_job",
    "jobs.add_schedule", "jobs.change_schedule", "jobs.delete_schedule",
    "jobs.add_calendar", "jobs.change_calendar", "jobs.delete_calendar",
    "jobs.add_blackout", "jobs.change_blackout", "jobs.delete_blackout",
    "datasources.use_datasource", "datasources.use_secret", "datasources.view_secret",
    "datasources.use_sqlscript", "datasources.add_sqlscript", "datasources.change_sqlscript",
    "datasources.delete_sqlscript",
    "alerts.add_alertrule", "alerts.change_alertrule", "alerts.delete_alertrule",
    "alerts.add_notificationrule", "alerts.change_notificationrule", "alerts.delete_notificationrule",
    "alerts.add_escalationpolicy", "alerts.change_escalationpolicy", "alerts.delete_escalationpolicy",
    "alerts.add_escalationstep", "alerts.change_escalationstep", "alerts.delete_escalationstep",
    "alerts.add_oncalloverride", "alerts.change_oncalloverride", "alerts.delete_oncalloverride",
    "alerts.add_oncallrota", "alerts.change_oncallrota", "alerts.delete_oncallrota", "alerts.delete_silence",
    "alerts.resolve_incident",
]  # fmt: skip
ADMINISTER = [
    *EDIT,
    "jobs.add_freeze", "jobs.change_freeze", "jobs.override_freeze",
    "datasources.add_datasource", "datasources.change_datasource", "datasources.delete_datasource",
    "datasources.add_secret", "datasources.change_secret", "datasources.delete_secret",
    "alerts.add_channel", "alerts.change_channel", "alerts.delete_channel",
    "alerts.add_incominghook", "alerts.change_incominghook", "alerts.delete_incominghook",
    "accounts.view_membership", "accounts.add_membership", "accounts.change_membership", "accounts.delete_membership",
    "accounts.view_auditentry", "accounts.view_tenant", "accounts.view_user", "accounts.change_user",
]  # fmt: skip

ROLES: dict[str, frozenset[str]] = {
    "viewer": frozenset(VIEW),
    "operator": frozenset(OPERATE),
    "editor": frozenset(EDIT),
    "admin": frozenset(ADMINISTER),
}
