"""A column that holds ciphertext, and the two verbs that write and read it.

Every encrypted column of every app is an `EncryptedTextField`, so `rotate_keys` finds it without being told.
Its model has a `key` (a UUID that never changes) and a `tenant`: both are bound into the ciphertext.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db.models import Model, TextField

from portal.lib import crypto

SUFFIX = "_encrypted"


class EncryptedTextField(TextField):  # type: ignore[type-arg]
    """Ciphertext, or "" when nothing is set. Never in a form. In a migration it is a plain TextField."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "editable": False})

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs


def seal(row: Model, column: str, value: str) -> None:
    """Put `value` into the column, encrypted; an empty value clears it. Does not save."""
    setattr(row, column, crypto.encrypt(value, context=context_of(row, column)) if value else "")


def unseal(row: Model, column: str) -> str:
    """The value of the column in clear; empty when nothing is set. Raises `crypto.CryptoError`."""
    token = getattr(row, column)
    return crypto.decrypt(token, context=context_of(row, column)) if token else ""


def context_of(row: Model, column: str) -> str:
    """What binds it: `datasources.datasource:<uuid>:password:<tenant id>`."""
    field = column.removesuffix(SUFFIX)
    return f"{row._meta.label_lower}:{row.key}:{field}:{row.tenant_id}"  # type: ignore[attr-defined]


def encrypted_columns() -> Iterator[tuple[type[Model], str]]:
    """Every (model, column) of every app that holds ciphertext."""
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if isinstance(field, EncryptedTextField):
                yield model, field.attname
