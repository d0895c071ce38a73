from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('datasources', '0002_datasource_failing_since'),
    ]

    operations = [
        migrations.AddField(
            model_name='datasource',
            name='role_name',
            field=models.CharField(blank=True, default='', editable=False, max_length=200, verbose_name='database user'),
        ),
        migrations.AddField(
            model_name='datasource',
            name='role_powers',
            field=models.JSONField(blank=True, default=list, editable=False, verbose_name='what its user may do'),
        ),
    ]
