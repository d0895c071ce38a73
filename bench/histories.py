"""A long history made by the database itself: millions of runs in minutes. PostgreSQL only."""

from __future__ import annotations

from typing import Any

TENANTS, JOBS, DAYS = 4, 200, 90
WITH_ATTEMPTS = 20_000  # the newest runs that have attempts, events and a log

# Of a hundred jobs 70, 20, 9 and 1 are of the four tenants.
_TENANTS = """
INSERT INTO accounts_tenant (slug, name, is_active, created_at)
SELECT 'tenant-' || n, 'Tenant ' || n, true, now() FROM generate_series(1, %(tenants)s) n
"""
_JOBS = """
INSERT INTO jobs_job ({columns})
SELECT {values} FROM generate_series(1, %(jobs)s) n
"""
_RUNS = """
INSERT INTO jobs_run ({columns})
SELECT {values}
FROM (
    SELECT i, job.id AS job_id, job.tenant_id, job.revision_id, (hashint4(i) & 1048575) %% 1000 AS dice,
           now() - %(days)s * interval '1 day' * ((%(count)s - i)::float / %(count)s) AS at
    FROM generate_series(1, %(count)s) i
    JOIN (SELECT id, tenant_id, revision_id, row_number() OVER (ORDER BY id) - 1 AS place FROM jobs_job) job
      ON job.place = (i::bigint * 7919) %% %(jobs)s
    ORDER BY i
) made
"""
_STATUS = """CASE WHEN dice < 960 THEN 'succeeded' WHEN dice < 975 THEN 'technical_failure'
    WHEN dice < 985 THEN 'business_failure' WHEN dice < 988 THEN 'timed_out' WHEN dice < 989 THEN 'lost'
    WHEN dice < 995 THEN 'skipped' ELSE 'missed' END"""
# Column → SQL over (i, job_id, tenant_id, revision_id, dice, at); every other column has what an empty row has.
_RUN_VALUES = {
    "id": "i",
    "tenant_id": "tenant_id",
    "job_id": "job_id",
    "revision_id": "revision_id",
    "dedupe_key": "'schedule:' || job_id || ':' || to_char(at, 'YYYY-MM-DD\"T\"HH24:MI:SS') || i",
    "origin": "CASE WHEN i %% 100 < 96 THEN 'schedule' WHEN i %% 100 < 99 THEN 'manual' ELSE 'api' END",
    "status": _STATUS,
    "reason_code": "CASE WHEN dice < 960 THEN '' WHEN dice < 989 THEN 'script_failed' ELSE 'overlap' END",
    "reason": "CASE WHEN dice < 960 THEN '' ELSE 'It ended with exit code 2 after ' || dice || ' rows' END",
    "exit_code": "CASE WHEN dice < 960 THEN 0 WHEN dice < 989 THEN 2 END",
    "outputs": "CASE WHEN i %% 10 = 0 THEN '{{\"rows\": \"120\"}}'::jsonb ELSE '{{}}'::jsonb END",
    "queue": "'default'",
    "token": "1",
    "coalesced": "1",
    "tries_used": "1",
    "scheduled_for": "at",
    "not_before": "at",
    "claim_order_at": "at",
    "created_at": "at",
    "started_at": "CASE WHEN dice < 989 THEN at + interval '200 milliseconds' END",
    "ended_at": "at + interval '2 seconds'",
}
_JOB_VALUES = {
    "tenant_id": "(SELECT min(id) FROM accounts_tenant) + CASE WHEN n %% 100 < 70 THEN 0 WHEN n %% 100 < 90 THEN 1 "
    "WHEN n %% 100 < 99 THEN 2 ELSE 3 END",
    "slug": "'job-' || n",
    "name": "'Job number ' || n",
    "category": "'processing'",
    "kind": "'shell'",
    "params": "jsonb_build_object('script', repeat('echo hello; ', 50))",
    "queue": "'default'",
    "is_enabled": "true",
    "is_idempotent": "true",
    "timeout": "interval '1 hour'",
    "retry_base": "interval '10 seconds'",
    "retry_cap": "interval '10 minutes'",
    "retry_backoff": "'exponential'",
    "retry_factor": "2",
    "overlap": "'skip'",
    "overlap_limit": "1",
    "keep_runs": "1",
    "created_at": "now()",
    "updated_at": "now()",
}
# What a column of this type holds when nothing else is said.
_EMPTY = {
    "character varying": "''",
    "text": "''",
    "jsonb": "'{{}}'::jsonb",
    "boolean": "false",
    "timestamp with time zone": "now()",
}


def fill(cursor: Any, count: int) -> None:
    """Tenants, jobs with a revision each, and `count` runs over 90 days, vacuumed and analysed."""
    cursor.execute("SET maintenance_work_mem = '512MB'")
    add_jobs(cursor)
    again = _without_indexes(cursor, "jobs_run")
    cursor.execute("ALTER TABLE jobs_run SET UNLOGGED")
    add_runs(cursor, count)
    for statement in again:
        cursor.execute(statement)
    cursor.execute("SELECT setval(pg_get_serial_sequence('jobs_run', 'id'), %s)", [count])
    _children(cursor, count)
    for table in ("jobs_run", "jobs_job", "jobs_attempt", "jobs_runevent", "jobs_logchunk"):
        cursor.execute(f"VACUUM (FREEZE, ANALYZE) {table}")


def add_jobs(cursor: Any) -> None:
    facts = {"tenants": TENANTS, "jobs": JOBS}
    cursor.execute(_TENANTS, facts)
    cursor.execute(_insert(cursor, "jobs_job", _JOBS, _JOB_VALUES), facts)
    cursor.execute(_revisions())
    cursor.execute("UPDATE jobs_job SET revision_id = r.id FROM jobs_jobrevision r WHERE r.job_id = jobs_job.id")


def add_runs(cursor: Any, count: int) -> None:
    facts = {"jobs": JOBS, "count": count, "days": DAYS}
    cursor.execute(_insert(cursor, "jobs_run", _RUNS, _RUN_VALUES), facts)


def _insert(cursor: Any, table: str, statement: str, values: dict[str, str]) -> str:
    """The statement with every column that must not be NULL."""
    cursor.execute(
        "SELECT column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = %s AND is_nullable = 'NO' AND is_identity = 'NO'",
        [table],
    )
    wanted = {name: _EMPTY.get(kind, "0") for name, kind in cursor.fetchall()} | values
    # Doubled braces become single ones in `format`, and a literal % is doubled for the driver.
    return statement.format(columns=", ".join(wanted), values=", ".join(v.format() for v in wanted.values()))


def _revisions() -> str:
    definition = "jsonb_build_object('name', name, 'kind', kind, 'params', params)"
    return f"""INSERT INTO jobs_jobrevision (tenant_id, job_id, number, definition, digest, created_at)
        SELECT tenant_id, id, 1, {definition}, md5(slug), now() FROM jobs_job"""


def _without_indexes(cursor: Any, table: str) -> list[str]:
    """Drop the indexes and foreign keys of a table; returns what makes the indexes again."""
    cursor.execute(
        "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f' "
        "AND (conrelid = %s::regclass OR confrelid = %s::regclass)",
        [table, table],
    )
    for owner, name in cursor.fetchall():
        cursor.execute(f'ALTER TABLE {owner} DROP CONSTRAINT "{name}"')
    cursor.execute(
        "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE contype IN ('p', 'u') AND conrelid = %s::regclass",
        [table],
    )
    constraints = cursor.fetchall()
    for name, _definition in constraints:
        cursor.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    cursor.execute("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = %s", [table])
    indexes = cursor.fetchall()
    for name, _definition in indexes:
        cursor.execute(f'DROP INDEX "{name}"')
    made = [f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}' for name, definition in constraints]
    return [*made, *(definition for _name, definition in indexes)]


def _children(cursor: Any, count: int) -> None:
    facts = {"first": max(count - WITH_ATTEMPTS, 0)}
    cursor.execute(
        """INSERT INTO jobs_attempt (run_id, number, token, worker_name, status, exit_code, reason_code, reason,
               reason_args, started_at, ended_at, log_bytes, log_truncated, log_deleted_for)
           SELECT id, 1, 1, 'w1', CASE WHEN status = 'lost' THEN 'lost' ELSE status END, exit_code, reason_code, reason,
               '{}', started_at, ended_at, 40, false, ''
           FROM jobs_run WHERE id > %(first)s AND started_at IS NOT NULL""",
        facts,
    )
    cursor.execute(
        """INSERT INTO jobs_runevent (run_id, old, new, reason_code, reason, reason_args, at)
           SELECT id, '', status, '', '', '{}', created_at FROM jobs_run WHERE id > %(first)s""",
        facts,
    )
    cursor.execute(
        """INSERT INTO jobs_logchunk (attempt_id, seq, stream, at, text)
           SELECT id, 1, 'stdout', started_at, repeat('a line' || chr(10), 6) FROM jobs_attempt"""
    )
