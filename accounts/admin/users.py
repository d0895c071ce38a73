"""Users: platform admins see everybody, a tenant admin the people of the tenant."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminSelectWidget

from accounts import people, tenants
from accounts.admin_base import TenantAdmin
from accounts.admin_scope import allows, current_tenant, user_of
from accounts.models import Membership, RoleName, User

PERSONAL = ["username", "first_name", "last_name", "email"]
PLATFORM = ["is_active", "is_superuser"]


class PersonCreationForm(UserCreationForm):  # type: ignore[misc]
    """A new user with a role in the current tenant."""

    role = forms.ChoiceField(label=_("Role"), choices=RoleName.choices, widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        actor, tenant = self.portal_actor, self.portal_tenant
        role: Any = self.fields["role"]
        if tenant is None:
            del self.fields["role"]
            return
        allowed = tenants.allowed_roles(actor, tenant)
        role.choices = [choice for choice in RoleName.choices if choice[0] in allowed]


@admin.register(User)
class UserPage(TenantAdmin, DjangoUserAdmin):  # type: ignore[type-arg,misc]
    """`user_permissions` and groups are nobody's: rights come from roles and grants."""

    form = UserChangeForm
    add_form = PersonCreationForm
    change_password_form = AdminPasswordChangeForm
    change_form_template = "admin/tenant_change_form.html"  # type: ignore[misc]
    list_display = ["username", "full_name", "email", "is_active"]
    list_filter = ()
    search_fields = ["username", "first_name", "last_name", "email"]
    ordering = ["username"]
    filter_horizontal = ()
    fieldsets = ()
    add_fieldsets = ()
    actions = None

    @admin.display(description=_("name"), ordering="first_name")
    def full_name(self, obj: User) -> str:
        return obj.get_full_name()

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        if obj is None:
            role = ["role"] if current_tenant(request) is not None else []
            return [(None, {"fields": [*PERSONAL, "password1", "password2", *role]})]
        if user_of(request).is_superuser:
            return [(None, {"fields": [*PERSONAL, "password"]}), (_("Platform"), {"fields": PLATFORM})]
        shown = [*PERSONAL, "password"] if self.has_change_permission(request, obj) else PERSONAL
        return [(None, {"fields": shown})]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Django's user admin swaps in the creation form by class attribute; here the rules are mixed into it first."""
        kwargs["form"] = self.mixed_form(self.form if obj is not None else self.add_form, request)
        return super().get_form(request, obj, change=change, **kwargs)

    def has_add_permission(self, request: HttpRequest) -> bool:
        tenant = current_tenant(request)
        if user_of(request).is_superuser or tenant is None:
            return user_of(request).is_superuser
        return allows(request, "add", Membership, Membership(tenant=tenant))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Accounts are switched off, not deleted: the audit trail names them."""
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        actor = user_of(request)
        if not change:
            role = form.cleaned_data.get("role", RoleName.VIEWER)
            people.create_user(obj, actor=actor, tenant=current_tenant(request), role=role)
            return
        if obj.is_superuser:
            obj.is_staff = True
        super().save_model(request, obj, form, change)
        people.record_change(obj, actor=actor, fields=list(form.changed_data))

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:
        row = self.get_object(request, id)
        if not self.has_change_permission(request, row):
            raise Http404
        answer: HttpResponse = super().user_change_password(request, id, form_url)
        if request.method == "POST" and answer.status_code == 302:
            people.record_change(row, actor=user_of(request), verb="accounts.user.password_set")
        return answer

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).distinct()

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        return TenantAdmin.lookup_allowed(self, lookup, value, request)
