import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import F, Q


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('datasources', '0003_role_powers'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='datasource',
            name='max_affected_rows',
            field=models.PositiveIntegerField(blank=True, help_text='More than this in one run is undone until a second person approves it. Empty: no limit.', null=True, verbose_name='changed rows at most'),
        ),
        migrations.CreateModel(
            name='WriteApproval',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created at')),
                ('updated_at', models.DateTimeField(auto_now=True, verbose_name='updated at')),
                ('digest', models.CharField(db_index=True, max_length=64, verbose_name='digest')),
                ('statement', models.TextField(verbose_name='statements')),
                ('values', models.JSONField(blank=True, default=dict, verbose_name='parameters')),
                ('purpose', models.CharField(max_length=200, verbose_name='asked for by')),
                ('reason', models.TextField(blank=True, default='', verbose_name='why it was stopped')),
                ('affected_rows', models.BigIntegerField(blank=True, null=True, verbose_name='changed rows')),
                ('max_affected_rows', models.PositiveIntegerField(blank=True, null=True, verbose_name='limit at that time')),
                ('status', models.CharField(choices=[('pending', 'Waiting for a second person'), ('approved', 'Approved'), ('refused', 'Refused'), ('used', 'Used')], default='pending', max_length=10, verbose_name='status')),
                ('expires_at', models.DateTimeField(verbose_name='expires')),
                ('decided_at', models.DateTimeField(blank=True, null=True, verbose_name='decided')),
                ('used_at', models.DateTimeField(blank=True, null=True, verbose_name='used')),
                ('used_for', models.CharField(blank=True, default='', max_length=200, verbose_name='used for')),
                ('asked_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='asked by')),
                ('created_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='created by')),
                ('datasource', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='approvals', to='datasources.datasource', verbose_name='datasource')),
                ('decided_by', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='decided by')),
                ('tenant', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='accounts.tenant', verbose_name='tenant')),
            ],
            options={
                'verbose_name': 'write approval',
                'verbose_name_plural': 'write approvals',
                'ordering': ['-id'],
                'constraints': [models.CheckConstraint(condition=~Q(decided_by=F('asked_by')), name='approval_by_a_second_person')],
            },
        ),
    ]
