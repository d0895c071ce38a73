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
    "alerts.view_inboxmessage",  # one's own alone, whatever the role
]
OPERATE = [*VIEW, "jobs.run_job"]
EDIT = [
    *OPERATE,
    "jobs.add_job", "jobs.change_job", "jobs.delete_job",
    "jobs.add_schedule", "jobs.change_schedule", "jobs.delete_schedule",
    "jobs.add_calendar", "jobs.change_calendar", "jobs.delete_calendar",
    "jobs.add_blackout", "jobs.change_blackout", "jobs.delete_blackout",
    "datasources.use_datasource", "datasources.use_secret", "datasources.view_secret",
    "datasources.use_sqlscript", "datasources.add_sqlscript", "datasources.change_sqlscript",
    "datasources.delete_sqlscript",
]  # fmt: skip
ADMINISTER = [
    *EDIT,
    "jobs.add_freeze", "jobs.change_freeze", "jobs.override_freeze",
    "datasources.add_datasource", "datasources.change_datasource", "datasources.delete_datasource",
    "datasources.add_secret", "datasources.change_secret", "datasources.delete_secret",
    "accounts.view_membership", "accounts.add_membership", "accounts.change_membership", "accounts.delete_membership",
    "accounts.view_auditentry", "accounts.view_tenant", "accounts.view_user", "accounts.change_user",
]  # fmt: skip

ROLES: dict[str, frozenset[str]] = {
    "viewer": frozenset(VIEW),
    "operator": frozenset(OPERATE),
    "editor": frozenset(EDIT),
    "admin": frozenset(ADMINISTER),
}
