"""What processes share: how old their copies of the rules are, and whose turn it is."""

from django.db import models

from accounts.models import Tenant


class RuleBook(models.Model):
    """`version` goes up in the transaction that changes a rule, a silence, a channel or a label of the tenant."""

    tenant = models.OneToOneField(Tenant, models.CASCADE, related_name="+")
    version = models.PositiveBigIntegerField(default=1)

    def __str__(self) -> str:
        return f"{self.tenant_id}@{self.version}"


class OfficeTurn(models.Model):
    """Whose turn it is in a piece of work that one process at a time does: the row is locked while it is done.

    `at` is when it was last done, so that others can tell when nobody does it any more.
    """

    name = models.CharField(max_length=20, unique=True)
    holder = models.CharField(max_length=160, blank=True, default="")
    at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name
