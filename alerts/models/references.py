"""References to rows that may go before the row that names them."""

from typing import Any

from django.db import models


def run_reference(verbose_name: Any, *, is_indexed: bool = False) -> Any:
    """To a run. Retention deletes runs by the hundred thousand and asks nobody: the number may lead nowhere."""
    return models.ForeignKey(
        "jobs.Run",
        models.DO_NOTHING,
        null=True,
        blank=True,
        db_constraint=False,
        db_index=is_indexed,
        related_name="+",
        verbose_name=verbose_name,
    )
