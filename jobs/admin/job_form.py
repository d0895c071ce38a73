"""The job's form: fields for every kind, of which the chosen one's count."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from accounts.models import Tenant, User
from accounts.permissions import visible_to
from datasources.models import DataSource, Secret, SqlScript
from jobs.admin.job_form_keep import KEEP, KeepFields, keep_of
from jobs.admin.job_form_place import PLACE, PlaceFields, place_of, shown_place
from jobs.executors import KINDS
from jobs.models import Job
from jobs.models.job import Category
from jobs.policies import BackoffPolicy, OverlapPolicy
from portal.lib import paramforms
from portal.lib.fielderrors import FieldError
from portal.lib.labelforms import LabelsField
from portal.lib.paramforms import DurationTextField, JsonTextField

LARGEST_UPLOAD = 1024 * 1024
RUN_PARAMS_HELP = gettext_lazy(
    'A list, such as [{"name": "day", "type": "date", "label": "Day", "required": true}]. '
    "Types: text, int, float, bool, date, datetime, choice (with choices)."
)

# Definition path → form field, where they differ.
PATHS = {f"retry.{name}": f"retry_{name}" for name in ("max", "backoff", "base", "factor", "cap")}
PATHS |= {f"needs.{name}": f"needs_{name}" for name in ("memory", "cpu")}
PATHS |= {"fan_out.mode": "fan_out", "fan_out.total": "shard_total"}
PATHS |= {"keep.run_days": "run_days", "keep.log_days": "log_days", "keep.runs": "keep_runs"}
BASICS = ["name", "slug", "description", "category", "labels", "is_enabled"]
RETRIES = ["timeout", "retry_max", "retry_backoff", "retry_base", "retry_factor", "retry_cap", "exit_codes"]


def _text(**attrs: str) -> forms.Widget:
    widget: forms.Widget = UnfoldAdminTextInputWidget(attrs=attrs)
    return widget


def _area(rows: int, **attrs: str) -> forms.Widget:
    widget: forms.Widget = UnfoldAdminTextareaWidget(attrs={"rows": rows, **attrs})
    return widget


class JobForm(KeepFields, PlaceFields):
    """Reads a job and gives back what `jobs.catalog` takes; it saves nothing itself."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=150, widget=_text())
    slug = forms.CharField(
        label=gettext_lazy("Slug"),
        max_length=80,
        required=False,
        widget=_text(),
        help_text=gettext_lazy("Its short name in files and commands. Empty: made from the name."),
    )
    description = forms.CharField(label=gettext_lazy("Description"), required=False, max_length=5000, widget=_area(2))
    category = forms.ChoiceField(
        label=gettext_lazy("Category"), choices=Category.choices, widget=UnfoldAdminSelectWidget()
    )
    labels = LabelsField(label=gettext_lazy("Labels"))
    is_enabled = forms.BooleanField(
        label=gettext_lazy("Enabled"),
        required=False,
        initial=True,
        widget=UnfoldBooleanSwitchWidget(),
        help_text=gettext_lazy("Its schedules fire only while it is enabled."),
    )
    kind = forms.ChoiceField(label=gettext_lazy("Kind"), widget=UnfoldAdminSelectWidget(attrs={"data-job-kind": ""}))
    run_params = JsonTextField(
        label=gettext_lazy("Parameters a run is given"),
        required=False,
        help_text=RUN_PARAMS_HELP,
        widget=_area(6, **{"data-editor": "json", "spellcheck": "false"}),
    )
    environment = JsonTextField(
        label=gettext_lazy("Environment"),
        required=False,
        is_pairs=True,
        help_text=gettext_lazy("Names and values that a script finds among its environment variables."),
        widget=_area(3, **{"data-params-json": "texts"}),
    )
    secrets = forms.MultipleChoiceField(
        label=gettext_lazy("Secrets"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text=gettext_lazy("What a script may be given. Their values are masked in its log."),
    )
    timeout = DurationTextField(
        label=gettext_lazy("Time limit"),
        widget=_text(placeholder="1h30m"),
        help_text=gettext_lazy("Such as 90s, 15m or 1h30m."),
    )
    retry_max = forms.IntegerField(
        label=gettext_lazy("Retries"),
        min_value=0,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=gettext_lazy("After a technical failure or a timeout; never after a business failure."),
    )
    retry_backoff = forms.ChoiceField(
        label=gettext_lazy("Delay grows"), choices=BackoffPolicy.choices, widget=UnfoldAdminSelectWidget()
    )
    retry_base = DurationTextField(label=gettext_lazy("First delay"), widget=_text(placeholder="10s"))
    retry_factor = forms.FloatField(
        label=gettext_lazy("Factor"),
        widget=UnfoldAdminDecimalFieldWidget(attrs={"step": "any"}),
        help_text=gettext_lazy("By how much an exponential delay grows each time."),
    )
    retry_cap = DurationTextField(label=gettext_lazy("Longest delay"), widget=_text(placeholder="10m"))
    exit_codes = JsonTextField(
        label=gettext_lazy("Exit codes"),
        required=False,
        is_pairs=True,
        help_text=gettext_lazy(
            "What other exit codes mean: succeeded, business_failure or technical_failure. Empty: 0, 1 and the rest."
        ),
        widget=_area(3, **{"data-params-json": "texts"}),
    )
    overlap = forms.ChoiceField(
        label=gettext_lazy("When the last run has not ended"),
        choices=OverlapPolicy.choices,
        widget=UnfoldAdminSelectWidget(),
    )
    overlap_limit = forms.IntegerField(
        label=gettext_lazy("Limit"),
        min_value=1,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=gettext_lazy("How many may wait, or run at once."),
    )
    is_idempotent = forms.BooleanField(
        label=gettext_lazy("May run again after its worker died"),
        required=False,
        widget=UnfoldBooleanSwitchWidget(),
        help_text=gettext_lazy("Switch it off when running twice does harm."),
    )

    def __init__(self, *args: Any, job: Job | None, tenant: Tenant | None, user: User, **kwargs: Any) -> None:
        self.job, self.tenant, self.user = job, tenant, user
        kwargs["initial"] = {**initial_of(job or Job(kind="python")), **kwargs.get("initial", {})}
        super().__init__(*args, **kwargs)
        self.kind_fields: dict[str, dict[str, str]] = {}  # kind → parameter → form field
        choices = self.fields["kind"]
        choices.choices = [(each.kind, each.label) for each in KINDS]  # type: ignore[attr-defined]
        for executor in KINDS:
            self._add_kind(executor.kind, executor.Params, job.params if job and job.kind == executor.kind else {})
        names = visible_to(user, Secret.objects.filter(tenant=tenant), "use").values_list("name", flat=True)
        kept = job.secrets if job else []
        self.fields["secrets"].choices = [(n, n) for n in sorted({*names, *kept})]  # type: ignore[attr-defined]

    @property
    def fieldsets(self) -> list[tuple[Any, dict[str, Any]]]:
        kinds = [
            (None, {"fields": list(names.values()), "classes": [f"kind-fields-{kind}"]})
            for kind, names in self.kind_fields.items()
        ]
        return [
            (_("Basics"), {"fields": BASICS}),
            (_("What runs"), {"fields": ["kind"]}),
            *kinds,
            (_("Run parameters"), {"fields": ["run_params"], "classes": ["tab"]}),
            (_("Environment and secrets"), {"fields": ["environment", "secrets"], "classes": ["tab"]}),
            (_("Retries and limits"), {"fields": RETRIES, "classes": ["tab"]}),
            (
                _("Overlap"),
                {"fields": ["overlap", "overlap_limit", "is_idempotent"], "classes": ["tab"]},
            ),
            (_("Where it runs"), {"fields": PLACE, "classes": ["tab"]}),
            (_("History"), {"fields": KEEP, "classes": ["tab"]}),
        ]

    def clean_slug(self) -> str:
        given = str(self.cleaned_data["slug"]).strip()
        made = given or (self.job.slug if self.job else slugify(self.cleaned_data.get("name", "")))
        if not made:
            raise ValidationError(_("Write a slug with letters, digits and “-”, such as daily-revenue."))
        return made

    def clean_run_params(self) -> list[Any]:
        value = self.cleaned_data["run_params"] or []
        if not isinstance(value, list):
            raise ValidationError(_("Write a list, in square brackets."))
        return value

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        kind = data.get("kind", "")
        script = self.kind_fields.get(kind, {}).get("script", "")
        upload = data.get(f"{kind}_upload")
        if upload and script:
            data[script] = self._uploaded_text(kind, upload)
        return data

    def definition(self) -> dict[str, Any]:
        """What `JobDefinition` takes. Only after is_valid(); values that are not given keep their defaults."""
        data = self.cleaned_data
        plain = ("name", "description", "category", "kind", "run_params", "environment", "exit_codes",
                 "queue", "priority", "timeout", "overlap", "overlap_limit", "is_idempotent")  # fmt: skip
        found = {name: data[name] for name in plain}
        found |= {name: found[name] or {} for name in ("environment", "exit_codes")}
        found["secrets"] = data["secrets"]
        found["retry"] = {name: data[f"retry_{name}"] for name in ("max", "backoff", "base", "factor", "cap")}
        found |= place_of(data) | keep_of(data)
        return {**found, "params": self._kind_params(data)}

    def blame(self, errors: Iterable[FieldError]) -> None:
        """Put each refusal at its field; what has no field here stands above the form."""
        for error in errors:
            name, inner = self._field_of(error.path)
            self.add_error(name, f"{inner}: {error.message}" if inner else error.message)

    def _field_of(self, path: str) -> tuple[str | None, str]:
        if path.startswith("params."):
            head, _dot, inner = path.removeprefix("params.").partition(".")
            head, bracket, rest = head.partition("[")
            field = self.kind_fields.get(self.cleaned_data.get("kind", ""), {}).get(head)
            return field, f"{bracket}{rest}{inner}".strip("[]")
        name = PATHS.get(path) or path.partition(".")[0].partition("[")[0]
        inner = "" if path in PATHS else path.removeprefix(name).lstrip(".")
        return (name if name in self.fields else None), _entry(inner)

    def _add_kind(self, kind: str, params: type[Any], values: dict[str, Any]) -> None:
        names = {}
        fields = paramforms.form_fields(params, initial=values)
        for name, field in fields.items():
            names[name] = f"{kind}_{name}"
            self.fields[names[name]] = self._chosen_field(params, name, field, values.get(name))
            field.required = False  # the chosen kind's model says what is missing
            if name == "script" and not paramforms.shown(params.model_fields[name]).is_sql_script:
                self._add_upload(kind, names)
        self.kind_fields[kind] = names

    def _add_upload(self, kind: str, names: dict[str, str]) -> None:
        """A file field that works without scripts too; jobform.js then needs to add none of its own."""
        self.fields[f"{kind}_script"].widget.attrs.pop("data-upload", None)
        attrs = {"data-script-upload": "", "data-script-target": f"#id_{kind}_script", "data-max-bytes": LARGEST_UPLOAD}
        names["upload"] = f"{kind}_upload"
        self.fields[f"{kind}_upload"] = forms.FileField(
            label=_("Upload a script"),
            required=False,
            widget=forms.FileInput(attrs=attrs),
            help_text=_("The file's text takes the place of the script above."),
        )

    def _chosen_field(self, params: type[Any], name: str, field: forms.Field, current: Any) -> forms.Field:
        """What names a row of the tenant becomes a choice of those that the user may use."""
        look = paramforms.shown(params.model_fields[name])
        if look.is_datasource:
            rows = visible_to(self.user, DataSource.objects.filter(tenant=self.tenant, is_active=True), "use")
            choices = [("", _("Choose a datasource")), *((row.slug, f"{row.name} ({row.kind})") for row in rows)]
        elif look.is_sql_script:
            scripts = visible_to(self.user, SqlScript.objects.filter(tenant=self.tenant), "use")
            choices = [("", _("None: the SQL above")), *((row.slug, row.name) for row in scripts)]
        else:
            return field
        if current and current not in dict(choices):
            choices.append((current, current))
        widget = UnfoldAdminSelectWidget()
        return forms.ChoiceField(
            label=field.label,
            help_text=field.help_text,
            initial=field.initial,
            choices=choices,
            widget=widget,
            required=False,
        )

    def _kind_params(self, data: dict[str, Any]) -> dict[str, Any]:
        model = KINDS.get(data["kind"]).Params
        found = {}
        for name, info in model.model_fields.items():
            value = data.get(self.kind_fields[data["kind"]][name])
            if info.is_required() or value not in (None, ""):
                found[name] = value if value is not None else ""
        return found

    def _uploaded_text(self, kind: str, upload: Any) -> str:
        if upload.size > LARGEST_UPLOAD:
            self.add_error(f"{kind}_upload", _("The file is too large: at most 1 MB is allowed."))
            return ""
        try:
            return str(upload.read().decode("utf-8-sig"))
        except UnicodeDecodeError:
            self.add_error(f"{kind}_upload", _("The file is not text in UTF-8. Save it as UTF-8 and upload it again."))
            return ""


def initial_of(job: Job) -> dict[str, Any]:
    """The row's columns as the form shows them; an unsaved row gives the defaults."""
    names = [*BASICS, *RETRIES, "kind", "run_params", "environment", "secrets",
             "overlap", "overlap_limit", "is_idempotent", *PLACE, *KEEP]  # fmt: skip
    shown = {name: getattr(job, name) for name in names}
    shown |= shown_place(job)
    return {**shown, "run_params": [brief(param) for param in job.run_params or []]}


def brief(param: dict[str, Any]) -> dict[str, Any]:
    """A run parameter without what is its default anyway."""
    return {name: value for name, value in param.items() if value not in (None, "", [], False)}


def _entry(inner: str) -> str:
    """ "[0].name" → "Entry 1, name"."""
    if not inner.startswith("["):
        return inner
    place, _bracket, rest = inner[1:].partition("]")
    words = _("Entry %(number)s") % {"number": int(place) + 1 if place.isdecimal() else place}
    return f"{words}, {rest.lstrip('.')}" if rest else str(words)
