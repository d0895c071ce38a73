"""Members of a tenant and their roles."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from accounts import tenants
from accounts.admin_base import TenantAdmin
from accounts.admin_forms import AnyModelForm
from accounts.admin_scope import current_tenant, user_of
from accounts.models import Membership, RoleName, Tenant, User


class MembershipForm(AnyModelForm):
    """Asks the services' rules before saving, so that a refusal is told at the field."""

    portal_actor: User

    class Meta:
        model = Membership
        fields = ["user", "role"]

    def clean_role(self) -> str:
        role = str(self.cleaned_data["role"])
        owner: Tenant | None = self.instance.tenant if self.instance.tenant_id else None
        if role not in tenants.allowed_roles(self.portal_actor, owner):
            raise forms.ValidationError(_("You can't give a role above your own."))
        if self.instance.pk and role != RoleName.ADMIN:
            tenants.refuse_without_admin(Membership.objects.get(pk=self.instance.pk))
        return role


@admin.register(Membership)
class MembershipPage(TenantAdmin):
    form = MembershipForm
    list_display = ["user", "role", "tenant", "created_at"]
    list_filter = ["role"]
    search_fields = ["user__username", "user__email"]
    list_select_related = ["user", "tenant"]
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A tenant admin adds people on the user page; only a platform admin knows people of other tenants."""
        return user_of(request).is_superuser

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["user", "tenant"] if obj is not None else []

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return ["tenant", "user", "role"] if obj is not None else ["user", "role"]

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_foreignkey(db_field, request, **kwargs)
        tenant = current_tenant(request)
        if db_field.name == "user" and user_of(request).is_superuser and tenant is not None:
            field.queryset = User.objects.exclude(memberships__tenant=tenant).order_by("username")
        return field

    def save_model(self, request: HttpRequest, obj: Membership, form: Any, change: bool) -> None:
        actor = user_of(request)
        if change:
            tenants.change_role(Membership.objects.get(pk=obj.pk), actor=actor, role=obj.role)
        else:
            made = tenants.add_member(obj.tenant, actor=actor, user=obj.user, role=obj.role)
            obj.pk = made.pk

    def delete_model(self, request: HttpRequest, obj: Membership) -> None:
        tenants.remove_member(obj, actor=user_of(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """Says why the last admin stays, instead of asking for a confirmation that can't be given."""
        rows = list(objs)
        deleted, counts, refused, protected = super().get_deleted_objects(rows, request)
        for row in rows:
            try:
                tenants.refuse_without_admin(row)
            except ValidationError as error:
                protected = [*protected, *error.messages]
        return deleted, counts, refused, protected
