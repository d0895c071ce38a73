"""What the canary test must not fill blindly in the models of jobs."""


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


HOOKS = {
    "jobs.job": adjust_job,
    "jobs.jobrevision": adjust_revision,
    "jobs.schedule": adjust_schedule,
    "jobs.backfill": adjust_backfill,
}
