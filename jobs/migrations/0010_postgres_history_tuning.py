"""PostgreSQL only: tables of millions of rows are vacuumed by the hundredth part, and an index nobody reads goes."""

from django.db import migrations

HISTORY = ("jobs_run", "jobs_attempt", "jobs_runevent", "jobs_logchunk")
# The default waits until a fifth of the table is dead: at 10 million runs that is two million dead rows, and an
# index-only scan that has to look into the table for each of them.
SETTINGS = {
    "autovacuum_vacuum_scale_factor": "0.01",
    "autovacuum_vacuum_insert_scale_factor": "0.02",
    "autovacuum_analyze_scale_factor": "0.02",
}


def tune(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    values = ", ".join(f"{name} = {value}" for name, value in SETTINGS.items())
    for table in HISTORY:
        schema_editor.execute(f"ALTER TABLE {table} SET ({values})")
    # Room for heartbeats and waits: an update of no indexed column stays on its page and writes no index.
    schema_editor.execute("ALTER TABLE jobs_run SET (fillfactor = 90)")
    # Django makes it for LIKE; keys are only ever compared whole, and random keys make it the dearest index of all.
    schema_editor.execute(f"DROP INDEX IF EXISTS {schema_editor.quote_name(like_index(apps, schema_editor))}")


def untune(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    names = ", ".join(SETTINGS)
    for table in HISTORY:
        schema_editor.execute(f"ALTER TABLE {table} RESET ({names})")
    schema_editor.execute("ALTER TABLE jobs_run RESET (fillfactor)")
    name = schema_editor.quote_name(like_index(apps, schema_editor))
    schema_editor.execute(f"CREATE INDEX IF NOT EXISTS {name} ON jobs_run (dedupe_key varchar_pattern_ops)")


def like_index(apps, schema_editor):
    """Its name as Django made it in the first migration."""
    run = apps.get_model("jobs", "Run")
    return str(schema_editor._create_index_name(run._meta.db_table, ["dedupe_key"], suffix="_like"))


class Migration(migrations.Migration):
    dependencies = [("jobs", "0009_retention")]

    operations = [migrations.RunPython(tune, untune)]
