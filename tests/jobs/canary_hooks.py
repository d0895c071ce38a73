"""What the canary test must not fill blindly in the models of jobs."""

import datetime


def adjust_job(row, word):
    row.slug = word().lower()
    row.kind = "python"
    row.params = {"script": f"print('{word()}')"}
    row.environment = {"NAME": word()}
    row.exit_codes = {}


def adjust_revision(row, word):
    job = row.job
    row.definition = {
        "slug": job.slug,
        "name": job.name,
        "kind": job.kind,
        "params": job.params,
        "environment": {"NAME": word()},
    }


def adjust_schedule(row, word):
    row.expression = "0 9 * * *"
    row.timezone = "Asia/Shanghai"


def adjust_backfill(row, word):
    row.timezone = "Asia/Shanghai"
    row.total_count = 0
    row.state = "done"


def adjust_calendar(row, word):
    row.slug = word().lower()
    row.timezone = "Asia/Shanghai"
    row.workdays = "12345"


def adjust_calendar_day(row, word):
    row.date = datetime.date(2026, 10, 1)


def adjust_blackout(row, word):
    row.weekdays, row.timezone = "6", "Asia/Shanghai"
    row.starts_at = row.ends_at = None
    row.start_time, row.end_time = datetime.time(22), datetime.time(4)


HOOKS = {
    "jobs.calendar": adjust_calendar,
    "jobs.calendarday": adjust_calendar_day,
    "jobs.blackout": adjust_blackout,
    "jobs.job": adjust_job,
    "jobs.jobrevision": adjust_revision,
    "jobs.schedule": adjust_schedule,
    "jobs.backfill": adjust_backfill,
}
