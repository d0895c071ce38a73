"""What the canary test must not fill blindly in the models of alerts."""


def _sluggish(row, word):
    row.slug = word().lower()


def adjust_channel(row, word):
    _sluggish(row, word)
    row.kind = "webhook"
    row.secrets_encrypted = ""


def adjust_rule(row, word):
    _sluggish(row, word)
    row.selector, row.condition_params, row.policy, row.contract = {}, {}, {}, {}
    row.recovery_params = None
    row.labels = {"canary": word()}


def adjust_status(row, word):
    row.memory, row.sentence = {}, {}


def adjust_check(row, word):
    row.sentence, row.summary = {}, None


def adjust_incident(row, word):
    row.title, row.evidence = {}, {"columns": [word()], "rows": [[word()]]}


def adjust_silence(row, word):
    row.selector = {}


def adjust_notification_rule(row, word):
    row.selector, row.policy, row.quiet_hours, row.digest = {}, {}, None, None


def adjust_hook(row, word):
    row.secret_encrypted = ""
    row.param_map = {}


def adjust_notification(row, word):
    row.facts, row.why, row.recipients = {}, {}, [word()]


def adjust_inbox_message(row, word):
    row.link = "alerts.channel/1"


def adjust_rota(row, word):
    _sluggish(row, word)
    row.timezone = "Asia/Shanghai"
    row.members = []


HOOKS = {
    "alerts.notification": adjust_notification,
    "alerts.inboxmessage": adjust_inbox_message,
    "alerts.channel": adjust_channel,
    "alerts.alertrule": adjust_rule,
    "alerts.alertstatus": adjust_status,
    "alerts.alertcheck": adjust_check,
    "alerts.incident": adjust_incident,
    "alerts.silence": adjust_silence,
    "alerts.notificationrule": adjust_notification_rule,
    "alerts.oncallrota": adjust_rota,
    "alerts.escalationpolicy": _sluggish,
    "alerts.incominghook": adjust_hook,
}
