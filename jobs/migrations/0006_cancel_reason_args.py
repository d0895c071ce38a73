from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("jobs", "0005_containers_and_reasons"),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="cancel_reason_args",
            field=models.JSONField(blank=True, default=dict, editable=False),
        ),
    ]
