"""The page "Object permissions": a tenant admin shares one object with members of its tenant."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminSelectWidget

from accounts.admin_scope import user_of
from accounts.grants import grantable_users, grantable_verbs, granted_verbs, set_grants, verbs_of
from accounts.models import User
from accounts.scoping import grant_model

VERB_LABELS = {
    "view": gettext_lazy("View"),
    "change": gettext_lazy("Change"),
    "delete": gettext_lazy("Delete"),
    "run": gettext_lazy("Run"),
    "use": gettext_lazy("Use"),
}


class GrantForm(forms.Form):
    """Whom to give what. Its choices are the rule: only members, only verbs the granter holds."""

    user = forms.ModelChoiceField(
        queryset=User.objects.none(), label=gettext_lazy("User"), widget=UnfoldAdminSelectWidget
    )
    verbs = forms.MultipleChoiceField(
        required=False, label=gettext_lazy("May"), widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    def __init__(self, row: Model, actor: User, data: Any = None, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        users: Any = self.fields["user"]
        verbs: Any = self.fields["verbs"]
        users.queryset = grantable_users(row)
        verbs.choices = [(verb, VERB_LABELS.get(verb, verb)) for verb in grantable_verbs(actor, row)]


class GrantPages:
    """Replaces guardian's pages, whose holder of "change" may grant anything to anybody."""

    model: type[Model]
    admin_site: Any
    include_object_permissions_urls = False  # guardian's own
    obj_perms_manage_template = "admin/grants.html"

    def get_urls(self) -> list[URLPattern]:
        urls: list[URLPattern] = super().get_urls()  # type: ignore[misc]
        if grant_model(self.model) is None:
            return urls
        name = f"{self.model._meta.app_label}_{self.model._meta.model_name}_permissions"
        view = self.admin_site.admin_view(self.obj_perms_manage_view)
        return [path("<path:object_id>/permissions/", view, name=name), *urls]

    def may_grant(self, request: HttpRequest, object_id: str) -> bool:
        if grant_model(self.model) is None:
            return False
        row = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]
        return bool(grantable_verbs(user_of(request), row))

    def obj_perms_manage_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))  # type: ignore[attr-defined]
        actor = user_of(request)
        if not grantable_verbs(actor, row):
            raise Http404
        form = GrantForm(row, actor, request.POST or None, initial={"user": request.GET.get("user", "")})
        if request.method == "POST" and form.is_valid():
            return self._grant(request, row, form)
        return self._render_grants(request, row, form)

    def _grant(self, request: HttpRequest, row: Model, form: GrantForm) -> HttpResponse:
        chosen = form.cleaned_data
        changed = set_grants(row, actor=user_of(request), user=chosen["user"], verbs=chosen["verbs"])
        messages.success(request, _("The rights were saved.") if changed else _("Nothing was changed."))
        name = f"{self.admin_site.name}:{row._meta.app_label}_{row._meta.model_name}_permissions"
        return HttpResponseRedirect(reverse(name, args=[row.pk]))

    def _render_grants(self, request: HttpRequest, row: Model, form: GrantForm) -> HttpResponse:
        verbs = verbs_of(self.model)
        shared = set(grantable_users(row))
        context = {
            **self.admin_site.each_context(request),
            "title": _("Object permissions"),
            "subtitle": str(row),
            "opts": self.model._meta,
            "original": row,
            "form": form,
            "verbs": [VERB_LABELS.get(verb, verb) for verb in verbs],
            "rows": [
                {"user": user, "held": [verb in held for verb in verbs]}
                for user, held in granted_verbs(row).items()
                if user in shared
            ],
        }
        request.current_app = self.admin_site.name
        status = 400 if form.is_bound else 200
        return TemplateResponse(request, self.obj_perms_manage_template, context, status=status)
