"""The form of a channel: common fields, each transport's own under its kind, and secrets that are never shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from alerts import channelsettings, lengths
from alerts.admin.blocks import Block
from alerts.admin.durations import DurationField
from alerts.models import Channel
from alerts.params import Params
from alerts.transports import TRANSPORTS
from portal.lib import crypto
from portal.lib.fielderrors import FieldError

if TYPE_CHECKING:
    ChannelModelForm = forms.ModelForm[Channel]
else:
    ChannelModelForm = forms.ModelForm

KEEP = gettext_lazy("Set; leave empty to keep it.")
NOT_SET = gettext_lazy("Not set.")

BLOCKS: dict[str, Block[Params]] = {each.kind: Block(each.kind, each.Params) for each in TRANSPORTS}
SECRET_BLOCKS: dict[str, Block[Params]] = {
    each.kind: Block(f"{each.kind}_secret", each.SECRETS) for each in TRANSPORTS if each.SECRETS.model_fields
}


def fieldsets() -> list[tuple[Any, dict[str, Any]]]:
    kinds: list[tuple[Any, dict[str, Any]]] = []
    for each in TRANSPORTS:
        names = [*BLOCKS[each.kind].names, *(SECRET_BLOCKS[each.kind].names if each.kind in SECRET_BLOCKS else [])]
        kinds.append((each.label, {"fields": names, "classes": [f"kind-fields-{each.kind}"]}))
    secret = " ".join(f"kind-fields-{kind}" for kind in SECRET_BLOCKS)
    return [
        (None, {"fields": ["name", "slug", "description", "kind"]}),
        *[(label, options) for label, options in kinds if options["fields"]],
        (None, {"fields": ["forget_secrets"], "classes": [secret]}),
        (_("Use"), {"fields": ["language", "fallback", "drill_every", "is_active"]}),
    ]


class BaseChannelForm(ChannelModelForm):
    """What the transports' models refuse is said at their fields."""

    slug = forms.SlugField(
        label=gettext_lazy("Slug"),
        required=False,
        max_length=50,
        widget=UnfoldAdminTextInputWidget(),
        help_text=gettext_lazy("Its short name in files. Empty: made from the name."),
    )
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"),
        choices=lambda: [(each.kind, each.label) for each in TRANSPORTS],
        widget=UnfoldAdminSelectWidget(attrs={"data-job-kind": ""}),
    )
    forget_secrets = forms.BooleanField(
        label=gettext_lazy("Forget the stored secrets"),
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text=gettext_lazy("What is not entered again above is taken away."),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language of its messages"),
        choices=settings.LANGUAGES,
        widget=UnfoldAdminSelectWidget(),
    )
    drill_every = DurationField(
        label=gettext_lazy("Fire drill every"),
        required=False,
        limits=lengths.DRILL,
        widget=UnfoldAdminTextInputWidget(attrs={"placeholder": "1w"}),
        help_text=gettext_lazy(
            "A test message goes out so often when nothing else has proven that the channel works. Empty: never."
        ),
    )

    class Meta:
        model = Channel
        fields = ["name", "slug", "description", "kind", "language", "fallback", "drill_every", "is_active"]
        widgets = {"description": UnfoldAdminTextareaWidget(attrs={"rows": 2})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cleaned_params: dict[str, Any] = {}
        self.cleaned_secrets: dict[str, str] = {}
        if "kind" not in self.fields:
            return  # somebody who may only look
        channel: Channel = self.instance
        if "fallback" in self.fields and channel.pk:
            rows: Any = self.fields["fallback"]
            rows.queryset = rows.queryset.exclude(pk=channel.pk)
        if channel.kind in BLOCKS:
            for name, value in BLOCKS[channel.kind].initial(channel.params).items():
                self.initial.setdefault(name, value)
        is_set = self._set_secrets()
        for kind, block in SECRET_BLOCKS.items():
            for name in block.names:
                words = KEEP if (kind == channel.kind and name.removeprefix(f"{block.prefix}_") in is_set) else NOT_SET
                own = self.fields[name].help_text
                self.fields[name].help_text = f"{own} {words}" if own else words

    def _set_secrets(self) -> set[str]:
        channel: Channel = self.instance
        known = channel.pk and channel.secrets_encrypted and channel.kind in BLOCKS
        return set(channelsettings.names_of_stored(channel)) if known else set()

    # --- reading ------------------------------------------------------------------------------------------------------

    def clean_slug(self) -> str:
        made = self.cleaned_data["slug"] or self.instance.slug or slugify(self.cleaned_data.get("name", ""))
        if not made:
            raise ValidationError(_("Write a slug with letters, digits and “-”, such as on-call-mail."))
        return str(made)[:50]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        kind = data.get("kind", "")
        for each, block in [*BLOCKS.items(), *SECRET_BLOCKS.items()]:
            if each != kind:
                block.forget(self)
        if kind not in BLOCKS:
            return data
        found = BLOCKS[kind].read(self)
        if found is None:
            return data
        self.cleaned_params = found.model_dump(mode="json")
        names = SECRET_BLOCKS[kind].names if kind in SECRET_BLOCKS else []
        self.cleaned_secrets = {name.removeprefix(f"{kind}_secret_"): data.get(name) or "" for name in names}
        self._check(kind, data)
        return data

    def _check(self, kind: str, data: dict[str, Any]) -> None:
        """What the service would refuse, on a copy: the row itself is written after all is well."""
        row: Channel = self.instance
        probe = Channel(pk=row.pk, key=row.key, tenant=row.tenant, kind=kind, fallback=data.get("fallback"))
        forgets = bool(data.get("forget_secrets"))
        try:
            if any(self.cleaned_secrets.values()):
                crypto.ensure_keys()
            found = channelsettings.refusals(
                probe, params=self.cleaned_params, secrets=self.cleaned_secrets, forgets=forgets
            )
        except crypto.CryptoError as error:
            self.add_error(None, str(error))
            return
        for refusal in found:
            self.add_error(self._place(kind, refusal), refusal.message)

    def _place(self, kind: str, refusal: FieldError) -> str | None:
        where, _dot, name = refusal.path.partition(".")
        name = name.partition("[")[0].partition(".")[0]
        place = {"params": f"{kind}_{name}", "secrets": f"{kind}_secret_{name}"}.get(where, where)
        return place if place in self.fields else None


def _all_fields() -> dict[str, forms.Field]:
    found: dict[str, forms.Field] = {}
    for block in (*BLOCKS.values(), *SECRET_BLOCKS.values()):
        found |= block.fields()
    return found


ChannelForm: type[BaseChannelForm] = type("ChannelForm", (BaseChannelForm,), {**_all_fields(), "__module__": __name__})
