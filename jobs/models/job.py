"""What a user defined. Its published revision is what runs."""

from datetime import timedelta

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from guardian.models import UserObjectPermissionBase

from accounts.models import TenantOwned
from jobs.policies import BackoffPolicy, FanOut, OverlapPolicy


class Category(models.TextChoices):
    MAINTENANCE = "maintenance", _("Maintenance")
    SYNC = "sync", _("Synchronisation")
    PROCESSING = "processing", _("Processing")
    MONITORING = "monitoring", _("Monitoring")


class Job(TenantOwned):
    """A job of one tenant.

    Shapes of the JSON columns (validated by `jobs.definitions.JobDefinition`): `params` is the kind's `Params`;
    `environment` is {name: text}; `secrets` is [secret name]; `run_params` is a list of typed parameters;
    `requires` is [capability of a worker] (`needs_driver` is what the job's datasource adds to them);
    `exit_codes` is {"exit code": "succeeded" | "business_failure" | "technical_failure"}.
    `labels` is {name: text}, "" for a tag (`portal.lib.labels`); it is no part of the definition (`jobs.labels`).
    """

    slug = models.SlugField(_("slug"), max_length=80)
    name = models.CharField(_("name"), max_length=150)
    description = models.TextField(_("description"), blank=True, default="")
    category = models.CharField(_("category"), max_length=20, choices=Category.choices, default=Category.PROCESSING)
    kind = models.CharField(_("kind"), max_length=30)
    params = models.JSONField(_("parameters"), default=dict, blank=True)
    run_params = models.JSONField(_("run parameters"), default=list, blank=True)
    environment = models.JSONField(_("environment"), default=dict, blank=True)
    secrets = models.JSONField(_("secrets"), default=list, blank=True)
    exit_codes = models.JSONField(_("exit codes"), default=dict, blank=True)
    labels = models.JSONField(_("labels"), default=dict, blank=True)
    is_enabled = models.BooleanField(_("enabled"), default=True)
    queue = models.CharField(_("queue"), max_length=50, default="default")
    priority = models.SmallIntegerField(
        _("priority"), default=0, validators=[MinValueValidator(-100), MaxValueValidator(100)]
    )
    timeout = models.DurationField(_("timeout"), default=timedelta(hours=1))
    retry_max = models.PositiveSmallIntegerField(_("retries"), default=3, validators=[MaxValueValidator(100)])
    retry_backoff = models.CharField(
        _("back-off"), max_length=20, choices=BackoffPolicy.choices, default=BackoffPolicy.EXPONENTIAL
    )
    retry_base = models.DurationField(_("first delay"), default=timedelta(seconds=10))
    retry_factor = models.FloatField(_("factor"), default=2.0, validators=[MinValueValidator(1), MaxValueValidator(10)])
    retry_cap = models.DurationField(_("longest delay"), default=timedelta(minutes=10))
    overlap = models.CharField(_("overlap"), max_length=20, choices=OverlapPolicy.choices, default=OverlapPolicy.SKIP)
    overlap_limit = models.PositiveSmallIntegerField(_("overlap limit"), default=1, validators=[MinValueValidator(1)])
    is_idempotent = models.BooleanField(_("may run again after its worker died"), default=True)
    requires = models.JSONField(_("requires"), default=list, blank=True)
    needs_driver = models.CharField(max_length=30, blank=True, default="", editable=False)
    needs_memory = models.PositiveIntegerField(_("memory it needs (MiB)"), default=0)
    needs_cpu = models.FloatField(_("cores it needs"), default=0, validators=[MinValueValidator(0)])
    fan_out = models.CharField(_("split into"), max_length=20, choices=FanOut.choices, blank=True, default="")
    shard_total = models.PositiveIntegerField(_("shards"), null=True, blank=True)
    run_days = models.PositiveIntegerField(
        _("days its runs are kept"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    log_days = models.PositiveIntegerField(
        _("days its logs are kept"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    keep_runs = models.PositiveIntegerField(
        _("runs that are always kept"), default=1, validators=[MinValueValidator(1), MaxValueValidator(10_000)]
    )
    revision = models.ForeignKey(
        "jobs.JobRevision",
        models.PROTECT,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("published revision"),
    )
    archived_at = models.DateTimeField(_("deleted at"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["slug"]
        constraints = [models.UniqueConstraint(fields=["tenant", "slug"], name="job_slug_per_tenant")]
        permissions = [("run_job", _("Can run job"))]

    def __str__(self) -> str:
        return self.name


class JobUserGrant(UserObjectPermissionBase):
    """A right on one job for one user (guardian, direct foreign key)."""

    content_object = models.ForeignKey(Job, models.CASCADE)

    class Meta(UserObjectPermissionBase.Meta):
        abstract = False
        verbose_name = _("job grant")
        verbose_name_plural = _("job grants")
