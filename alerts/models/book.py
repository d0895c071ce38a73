"""What tells a process that its copy of a tenant's rules is old."""

from django.db import models

from accounts.models import Tenant


class RuleBook(models.Model):
    """`version` goes up in the transaction that changes a rule, a silence, a channel or a label of the tenant."""

    tenant = models.OneToOneField(Tenant, models.CASCADE, related_name="+")
    version = models.PositiveBigIntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.tenant_id}@{self.version}"
