"""The form of a datasource: common fields, and each driver's own under its prefix; a secret's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from datasources import connections
from datasources.drivers import DRIVERS, Driver
from datasources.models import DataSource, Secret
from portal.lib import crypto
from portal.lib.fielderrors import FieldError
from portal.lib.paramforms import form_fields, parse
from portal.lib.redact import SHORTEST

if TYPE_CHECKING:
    DataSourceModelForm = forms.ModelForm[DataSource]
    SecretModelForm = forms.ModelForm[Secret]
else:
    DataSourceModelForm = SecretModelForm = forms.ModelForm

KEEP = _("Set; leave empty to keep it.")
NOT_SET = _("Not set.")


def kind_choices() -> list[tuple[str, Any]]:
    return [(driver.kind, driver.label) for driver in DRIVERS]


def field_name(kind: str, name: str) -> str:
    """The form's name of a driver's parameter: "postgres_host"."""
    return f"{kind}_{name}"


def driver_fields(driver: Driver) -> list[str]:
    """The form's names of all parameters of a driver, in its order."""
    return [field_name(driver.kind, name) for name in driver.Params.model_fields]


def password_input() -> forms.Widget:
    widget: forms.Widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}, render_value=False)
    return widget


class BaseDataSourceForm(DataSourceModelForm):
    """What the drivers' `Params` refuse is said at their fields. The password is written, never shown."""

    kind = forms.ChoiceField(
        label=_("Kind"), choices=kind_choices, widget=UnfoldAdminSelectWidget(attrs={"data-job-kind": ""})
    )
    password = forms.CharField(label=_("Password"), required=False, strip=False, widget=password_input())

    class Meta:
        model = DataSource
        fields = ["name", "slug", "description", "kind", "is_active", "is_read_only", "max_affected_rows"]
        widgets = {"description": UnfoldAdminTextareaWidget(attrs={"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cleaned_params: dict[str, Any] = {}
        if "kind" not in self.fields:
            return  # somebody who may only look
        for name, value in self.instance.params.items():
            self.initial.setdefault(field_name(self.instance.kind, name), value)
        self.fields["password"].help_text = KEEP if self.instance.password_encrypted else NOT_SET

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        _require_key(self, "password")
        kind = cleaned.get("kind")
        for driver in DRIVERS:
            if driver.kind != kind:
                self._forget(driver_fields(driver))
        if kind:
            self._read_params(DRIVERS.get(kind), cleaned)
        return cleaned

    def _forget(self, names: list[str]) -> None:
        """The blocks of other kinds are hidden: what stands in them is of no interest."""
        for name in names:
            self.errors.pop(name, None)

    def _read_params(self, driver: Driver, cleaned: Mapping[str, Any]) -> None:
        if any(name in self.errors for name in driver_fields(driver)):
            return
        values = {name: cleaned.get(field_name(driver.kind, name)) for name in driver.Params.model_fields}
        try:
            self.cleaned_params = parse(driver.Params, values).model_dump(mode="json")
        except ValidationError as error:
            for name, messages in error.message_dict.items():
                known = field_name(driver.kind, name)
                self.add_error(known if known in self.fields else None, messages)
            return
        self._check(driver)

    def _check(self, driver: Driver) -> None:
        password = self.cleaned_data.get("password", "") if driver.has_password else ""
        found = connections.refusals(self.instance, kind=driver.kind, params=self.cleaned_params, password=password)
        for refusal in found:
            self.add_error(self._place(driver, refusal), refusal.message)

    def _place(self, driver: Driver, refusal: FieldError) -> str | None:
        name = refusal.path.removeprefix("params.")
        for place in (field_name(driver.kind, name), name):
            if place in self.fields:
                return place
        return None


def _fields_of_all_drivers() -> dict[str, forms.Field]:
    found: dict[str, forms.Field] = {}
    for driver in DRIVERS:
        for name, field in form_fields(driver.Params).items():
            field.required = False  # only the chosen kind's are, and its model says so
            found[field_name(driver.kind, name)] = field
    return found


DataSourceForm: type[BaseDataSourceForm] = type(
    "DataSourceForm", (BaseDataSourceForm,), {**_fields_of_all_drivers(), "__module__": __name__}
)


class SecretForm(SecretModelForm):
    """The value is written, never shown."""

    value = forms.CharField(
        label=_("Value"),
        required=False,
        strip=False,
        widget=password_input(),
        min_length=SHORTEST,
        max_length=20_000,
    )

    class Meta:
        model = Secret
        fields = ["name", "description"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "value" in self.fields:
            is_set = bool(self.instance.value_encrypted)
            self.fields["value"].help_text = KEEP if is_set else NOT_SET
            self.fields["value"].required = not is_set

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        _require_key(self, "value")
        return cleaned


def _require_key(form: forms.ModelForm[Any], name: str) -> None:
    """Without a key nothing can be encrypted: said at the field before anything is saved."""
    if not form.cleaned_data.get(name):
        return
    try:
        crypto.ensure_keys()
    except crypto.CryptoError as error:
        form.add_error(name, str(error))
