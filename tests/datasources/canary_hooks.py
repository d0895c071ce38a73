"""What the canary test must not fill blindly in the models of datasources."""

from accounts.models import Membership


def adjust_datasource(row, word):
    row.slug = word().lower()
    row.kind = "postgres"
    row.params = {"host": "127.0.0.1", "port": 1, "database": word(), "user": word()}
    row.password_encrypted = ""


def adjust_secret(row, word):
    row.name = word()
    row.value_encrypted = ""


def adjust_writeapproval(row, word):
    second = Membership.objects.filter(tenant=row.tenant).exclude(user=row.asked_by).first()
    row.decided_by = second and second.user


def adjust_sqlscript(row, word):
    row.slug = word().lower()


def adjust_sqlscriptversion(row, word):
    row.text = f"SELECT '{word()}' AS {word()}"
    row.parameters = [{"name": "day", "default": word()}]


HOOKS = {
    "datasources.sqlscript": adjust_sqlscript,
    "datasources.sqlscriptversion": adjust_sqlscriptversion,
    "datasources.writeapproval": adjust_writeapproval,
    "datasources.datasource": adjust_datasource,
    "datasources.secret": adjust_secret,
}
