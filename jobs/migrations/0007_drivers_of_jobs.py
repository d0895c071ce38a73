"""The driver each SQL job needs, from the datasource it names."""

from django.db import migrations


def fill(apps, schema_editor):
    source_model = apps.get_model("datasources", "DataSource")
    kinds = {(row.tenant_id, row.slug): row.kind for row in source_model.objects.all()}
    for job in apps.get_model("jobs", "Job").objects.filter(kind="sql").only("tenant_id", "params").iterator():
        kind = kinds.get((job.tenant_id, str((job.params or {}).get("datasource", ""))), "")
        if kind:
            type(job).objects.filter(pk=job.pk).update(needs_driver=kind)


class Migration(migrations.Migration):

    dependencies = [
        ("datasources", "0001_initial"),
        ("jobs", "0006_nodes_and_queues"),
    ]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
