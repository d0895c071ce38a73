"""Fills a tenant with canary strings, by introspection: a model added later is filled without being named here.

A model with special needs has a hook in `tests/<app>/canary_hooks.py`: `HOOKS = {"jobs.job": adjust}` where
`adjust(row, word)` sets what must be meaningful before the row is saved; `word()` gives a fresh canary.
"""

import itertools
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Permission
from django.db import models
from django.utils import timezone
from guardian.models import UserObjectPermissionBase

from accounts.models import Tenant, User
from accounts.scoping import foreign_keys, granted_model, of_tenants, tenant_path

PREFIX = "ZQ"
MADE_BY_THE_CAST = {"accounts.tenant", "accounts.user", "accounts.membership"}


def own_models():
    """Every model of this project (not of installed packages)."""
    root = Path(settings.BASE_DIR).resolve()
    for config in apps.get_app_configs():
        folder = Path(config.path).resolve()
        if folder.is_relative_to(root) and "site-packages" not in folder.parts:
            yield from config.get_models()


def tenant_models():
    return [model for model in own_models() if tenant_path(model)]


def hooks():
    found = {}
    for config in apps.get_app_configs():
        name = f"tests.{config.label}.canary_hooks"
        if find_spec(f"tests.{config.label}") and find_spec(name):
            found.update(import_module(name).HOOKS)
    return found


class Filler:
    """One tenant's canaries. `rows[model]` is the first row of each model."""

    numbers = itertools.count(1)

    def __init__(self, cast, mark):
        self.cast, self.mark = cast, mark
        self.rows = {}
        self.hooks = hooks()

    def word(self):
        return f"{PREFIX}{self.mark}{next(self.numbers):05}"

    def fill(self):
        self._name_the_cast()
        for model in tenant_models():
            self.row(model)
        for row in self.rows.values():
            self._close_circles(row)
        return self

    def _close_circles(self, row):
        """Sets what had to wait for a later row: a job's published revision."""
        for field in foreign_keys(type(row)):
            target = field.related_model
            if getattr(row, field.attname) is None and target in self.rows and target is not type(row):
                setattr(row, field.name, self.rows[target])
                row.save(update_fields=[field.name])

    def _name_the_cast(self):
        tenant = self.cast.tenant
        tenant.name = self.word()
        tenant.save()
        for person in self.cast.members.values():
            person.first_name, person.last_name = self.word(), self.word()
            person.email = f"{self.word()}@example.com"
            person.save()
        self.rows[Tenant] = tenant
        self.rows[User] = self.cast.owner
        self.rows[apps.get_model("accounts.membership")] = self.cast.owner.memberships.get()

    def row(self, model):
        if model not in self.rows and model._meta.label_lower not in MADE_BY_THE_CAST:
            row = model()
            for field in model._meta.concrete_fields:
                self._set(row, field)
            adjust = self.hooks.get(model._meta.label_lower)
            if adjust:
                adjust(row, self.word)
            row.save(force_insert=True)
            self.rows[model] = row
        return self.rows[model]

    def _set(self, row, field):
        if field.primary_key:
            return
        value = self._related(row, field) if field.is_relation else self._plain(field)
        if value is not None:
            setattr(row, field.name, value)

    def _related(self, row, field):
        target = field.related_model
        if issubclass(target, Tenant):
            return self.cast.tenant
        if issubclass(target, User):
            return self.cast.owner
        if issubclass(target, Permission) and isinstance(row, UserObjectPermissionBase):
            model = granted_model(type(row))
            codename = f"view_{model._meta.model_name}"
            return Permission.objects.get(content_type__app_label=model._meta.app_label, codename=codename)
        if tenant_path(target) and not (field.null and target not in self.rows):
            return self.row(target)
        return None

    def _plain(self, field):
        if field.choices:
            return next(value for value, _label in field.flatchoices if value)
        if isinstance(field, models.UUIDField):
            return field.get_default()
        if isinstance(field, models.EmailField):
            return f"{self.word()}@example.com"
        if isinstance(field, models.CharField | models.TextField):
            return self.word()
        if isinstance(field, models.JSONField):
            return [] if field.default is list else {"canary": self.word()}
        return self._number(field)

    def _number(self, field):
        if field.has_default():
            return field.get_default()
        if isinstance(field, models.DateTimeField):
            return timezone.now()
        if isinstance(field, models.BinaryField):
            return self.word().encode()
        if field.null:
            return None
        return 1


def dump(tenant):
    """Every row of the tenant, as it is in the database: what a foreign write would change."""
    found = {}
    for model in tenant_models():
        rows = model._base_manager.filter(of_tenants(model, [tenant.pk]))
        for values in rows.values():
            values.pop("last_login", None)
            found[model._meta.label_lower, values["id"]] = repr(sorted(values.items()))
    return found


def cross_references():
    """Rows that point at a row of another tenant."""
    found = []
    for model in tenant_models():
        path = tenant_path(model)
        if path == "pk" or issubclass(model, User | UserObjectPermissionBase):
            continue
        for field in model._meta.concrete_fields:
            target = field.related_model if field.is_relation else None
            if target is None or issubclass(target, Tenant | User) or not tenant_path(target):
                continue
            reach = f"{field.name}__{tenant_path(target)}"
            rows = model._base_manager.filter(**{f"{field.name}__isnull": False})
            rows = rows.exclude(models.Q((str(path), models.F(reach))))
            found += [f"{model._meta.label}#{row.pk}.{field.name}" for row in rows]
    return found
