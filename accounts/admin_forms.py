"""Forms of tenants' rows: the tenant is set by the portal, and what a row points at is of the same tenant."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from accounts.models import Tenant, User
from accounts.scoping import has_tenant_field, tenant_id_of, tenant_path

if TYPE_CHECKING:
    AnyModelForm = forms.ModelForm[Any]
else:
    AnyModelForm = forms.ModelForm


class TenantFormMixin(AnyModelForm):
    """Mixed into every model form of the base admin; `portal_tenant` is the tenant of a new row."""

    portal_tenant: ClassVar[Tenant | None] = None
    portal_actor: ClassVar[User | None] = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        row = self.instance
        if row.pk is None and has_tenant_field(type(row)) and row.tenant_id is None:
            row.tenant = self.portal_tenant
        if row.pk is None and hasattr(row, "created_by_id") and row.created_by_id is None:
            row.created_by = self.portal_actor

    def _get_validation_exclusions(self) -> set[str]:
        """Keep the tenant in: without it Django skips "unique per tenant" and the database would answer with a 500."""
        return super()._get_validation_exclusions() - {"tenant"}  # type: ignore[misc,no-any-return]

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        for name, value in list((cleaned or self.cleaned_data).items()):
            for target in _rows_in(value):
                if not self._is_own(target):
                    self.add_error(name, _("Choose an entry of this tenant."))
        return cleaned

    def _is_own(self, target: Model) -> bool:
        """Whether a chosen row is of the same tenant as this row. People and platform rows are checked by the field."""
        if tenant_path(type(target)) is None or isinstance(target, User):
            return True
        own = tenant_id_of(self.instance) or (self.portal_tenant.pk if self.portal_tenant else None)
        return own is None or tenant_id_of(target) == own

    def _update_errors(self, errors: ValidationError) -> None:
        super()._update_errors(_told_at_the_field(errors, self))  # type: ignore[misc]


def _rows_in(value: Any) -> list[Model]:
    if isinstance(value, Model):
        return [value]
    if hasattr(value, "model") and hasattr(value, "iterator"):
        return list(value)
    return []


def _told_at_the_field(errors: ValidationError, form: TenantFormMixin) -> ValidationError:
    """ "Unique per tenant" is said at the one field the user can change, without naming the tenant."""
    if not hasattr(errors, "error_dict"):
        return errors
    told: dict[str, list[ValidationError]] = {}
    for place, found in errors.error_dict.items():
        for error in found:
            name = _the_other_field(error, form)
            if name:
                label = capfirst(form.fields[name].label or name)
                text = _("%(field)s is taken. Choose another one.") % {"field": label}
                told.setdefault(name, []).append(ValidationError(text, code="unique_together"))
            else:
                told.setdefault(place, []).append(error)
    return ValidationError(told)


def _the_other_field(error: ValidationError, form: TenantFormMixin) -> str:
    if error.code != "unique_together" or not error.params:
        return ""
    names = [name for name in error.params.get("unique_check", ()) if name != "tenant"]
    return names[0] if len(names) == 1 and names[0] in form.fields else ""


def bound_form(form: type[AnyModelForm], tenant: Tenant | None, actor: User) -> type[AnyModelForm]:
    """The form class with the portal's rules mixed in."""
    bases = (form,) if issubclass(form, TenantFormMixin) else (TenantFormMixin, form)
    return type(form.__name__, bases, {"portal_tenant": tenant, "portal_actor": actor})
