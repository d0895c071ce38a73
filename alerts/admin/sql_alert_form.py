"""The one form of a SQL alert: what is asked, when it is bad, how often it is looked at, and who is told."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from alerts import noticechecks, rulechecks, sqlalert
from alerts.admin import rule_fields
from alerts.admin.blocks import Block
from alerts.admin.notice_fields import QUIET, NoticeFields, blame_model, quiet_given
from alerts.admin.rule_fields import CONDITION_BLOCKS, CONTRACT, POLICY, RECOVERY_BLOCKS
from alerts.admin.rule_form import AlertRuleModelForm, BaseAlertRuleForm
from alerts.models import Channel, NotificationRule
from alerts.states import ALERT_TRIGGERS, INCIDENT_TRIGGERS, Source, Trigger
from datasources import console
from datasources.admin.console_form import SourceChoice, check_values, guessed
from datasources.models import DataSource, SqlScript
from jobs.models import Job
from portal.lib.fielderrors import FieldError
from portal.lib.paramforms import JsonTextField

if TYPE_CHECKING:
    ChannelsField = forms.ModelMultipleChoiceField[Channel]
else:
    ChannelsField = forms.ModelMultipleChoiceField

COLUMNS = "alert-columns"  # the list that the preview fills
QUERY = ["datasource", "sql", "script", "version", "values_json"]
NOT_ASKED = frozenset(
    {
        "source", "concerns", "job", "outcomes", "subjects", "selector_jobs", "selector_rules", "selector_categories",
        "selector_labels", "digest_every", "digest_starts", "digest_timezone", "digest_lets_through", *CONTRACT.names,
    }
)  # fmt: skip
GENERAL = frozenset({"name", "slug", "description", "severity", "labels", "escalation", "is_enabled"})
ROWS_CAME = {"condition_row_count_operator": ">", "condition_row_count_threshold": 0}  # what most checks ask for
TRIGGERS = [one for one in Trigger if one in ALERT_TRIGGERS | INCIDENT_TRIGGERS]
PATHS = {"params.datasource": "datasource", "params.sql": "sql", "params.script": "script", "params.version": "version",
         "run_params": "values_json", "slug": "slug", "name": "name", "channels": "channels"}  # fmt: skip


def fieldsets() -> Any:
    """From top to bottom. The class "then-…" names what the template puts below the block."""
    judged = [
        (title, {**options, "fields": fields})
        for title, options in rule_fields.fieldsets()
        if (fields := [name for name in options["fields"] if name not in NOT_ASKED | GENERAL])
    ]
    plain = [row for row in judged if "tab" not in row[1].get("classes", ())]
    tabs = [row for row in judged if "tab" in row[1].get("classes", ())]
    last_title, last = plain[-1]
    plain[-1] = (last_title, {**last, "classes": [*last.get("classes", ()), "then-schedule"]})
    return [
        (None, {"fields": ["name", "severity", "description", "labels", "is_enabled"]}),
        (gettext_lazy("Query"), {"fields": QUERY, "classes": ["then-preview"]}),
        *plain,
        (gettext_lazy("To whom"), {"fields": ["channels", "triggers"]}),
        *tabs,
        (gettext_lazy("Quiet hours"), {"fields": QUIET, "classes": ["tab"]}),
        (gettext_lazy("More"), {"fields": ["slug", "escalation"], "classes": ["tab"]}),
    ]


class BaseSqlAlertForm(NoticeFields, BaseAlertRuleForm):
    """A rule's form without what it could look at otherwise, with what its job and its messages need.

    `sources`, `scripts` and `offered` (channels) are what the user may choose.
    """

    sources: ClassVar[QuerySet[DataSource]]
    scripts: ClassVar[QuerySet[SqlScript]]
    offered: ClassVar[QuerySet[Channel]]

    datasource = SourceChoice(
        queryset=DataSource.objects.none(), label=gettext_lazy("Datasource"), widget=UnfoldAdminSelectWidget()
    )
    sql = forms.CharField(
        label=gettext_lazy("SQL"),
        required=False,
        strip=False,
        max_length=console.LONGEST_SQL,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 8, "spellcheck": "false", "data-editor": "sql", "class": "p-mono"}
        ),
        help_text=gettext_lazy("It only reads. What its last statement gives is judged."),
    )
    script = forms.ChoiceField(
        label=gettext_lazy("Or a script of the library"), required=False, widget=UnfoldAdminSelectWidget()
    )
    version = forms.IntegerField(
        label=gettext_lazy("Version of the script"),
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        widget=UnfoldAdminIntegerFieldWidget(),
        help_text=gettext_lazy("Empty: always the latest."),
    )
    values_json = JsonTextField(
        label=gettext_lazy("Parameters"),
        required=False,
        help_text=gettext_lazy("In the SQL they are :name; their values are bound, never pasted."),
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2, "spellcheck": "false", "data-params-json": ""}),
    )
    channels = ChannelsField(
        queryset=Channel.objects.none(),
        label=gettext_lazy("Channels"),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text=gettext_lazy("Without one nobody is told; the alert shows in the list and on the incident board."),
    )
    triggers = forms.MultipleChoiceField(
        label=gettext_lazy("Tell when"),
        required=False,
        choices=[(one.value, one.label) for one in TRIGGERS],
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
    )

    class Meta(BaseAlertRuleForm.Meta):
        fields = ["name", "slug", "description", "is_row_level", "severity", "escalation", "is_enabled"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in NOT_ASKED:
            self.fields.pop(name, None)
        fields: Any = self.fields
        fields["datasource"].queryset = self.sources
        fields["script"].choices = [("", _("None: the SQL above")), *((row.slug, row.name) for row in self.scripts)]
        fields["channels"].queryset = self.offered
        for name, field in fields.items():
            if name.endswith("_column"):
                field.widget.attrs["list"] = COLUMNS
        for name, value in {**_of_job(self.instance.job), **_of_notice(sqlalert.notice_of(self.instance))}.items():
            self.initial.setdefault(name, value)
        if self.instance.pk is None:
            self.initial |= {"condition": "row_count", **ROWS_CAME}
        if self.sources.count() == 1:
            self.initial.setdefault("datasource", self.sources[0].pk)

    # --- reading ------------------------------------------------------------------------------------------------------

    def clean_slug(self) -> str:
        """Empty: the service makes one of the name that is free."""
        return str(self.cleaned_data["slug"] or self.instance.slug or "")[:80]

    def clean_sql(self) -> str:
        text = str(self.cleaned_data["sql"] or "").replace("\r\n", "\n")
        if "\0" in text:
            raise forms.ValidationError(_("The SQL contains a NUL character: remove it."))
        return text

    def clean_values_json(self) -> dict[str, Any]:
        return check_values(self.cleaned_data["values_json"])

    def clean(self) -> dict[str, Any]:
        data = AlertRuleModelForm.clean(self) or self.cleaned_data
        self._read_query(data)
        picked = self.data.getlist("key_pick")[:20] if hasattr(self.data, "getlist") else []
        data["key_columns"] = list(dict.fromkeys([*(data.get("key_columns") or []), *picked]))
        self.instance.source = Source.RESULT
        self._take_judgement(data)
        self._say(rulechecks.clean_judgement, self.instance)
        if not data.get("quiet_spans"):
            self.errors.pop("quiet_timezone", None)
        self.quiet_hours, errors = noticechecks.clean_quiet_hours(quiet_given(data))
        for error in errors:
            blame_model(self, "quiet", error.path.removeprefix("quiet_hours."), error.message)
        if data.get("channels") and not data.get("triggers") and "triggers" not in self.errors:
            self.add_error("triggers", _("Choose at least one: otherwise nothing is told."))
        return data

    def _read_query(self, data: dict[str, Any]) -> None:
        has_sql, has_script = bool(str(data.get("sql") or "").strip()), bool(data.get("script"))
        if has_sql and has_script:
            words = _("Write SQL or choose a script of the library, not both: empty one of them.")
            self.add_error("script", words)
        elif not (has_sql or has_script) and "sql" not in self.errors:
            words = _("The SQL is empty: write at least one statement, or choose a script of the library.")
            self.add_error("sql", words)
        if data.get("version") and not has_script:
            self.add_error("version", _("A version is of a script: choose the script, or leave the version out."))

    @property
    def asks(self) -> bool:
        """Whether the query can be run as it stands."""
        return not any(name in self.errors for name in QUERY)

    @property
    def judges(self) -> bool:
        """Whether it is said when it is bad."""
        names = ["condition", "key_columns", "is_row_level", "has_recovery"]
        blocks: list[Block[Any]] = [*CONDITION_BLOCKS.values(), *RECOVERY_BLOCKS.values(), POLICY]
        return not any(name in self.errors for name in [*names, *(name for one in blocks for name in one.names)])

    def forgive(self) -> None:
        """For a look at the result: what has nothing to do with it may still be missing."""
        for name in [name for name in self.errors if name not in QUERY]:
            del self.errors[name]

    # --- what was filled in -------------------------------------------------------------------------------------------

    def params(self) -> dict[str, Any]:
        """Of the SQL job."""
        data = self.cleaned_data
        script = data["script"]
        version = data["version"] if script else None
        return {"datasource": data["datasource"].slug, "sql": data["sql"], "script": script, "version": version}

    def run_params(self) -> list[Any]:
        """Those of the job stay as they are when their values are."""
        values = self.cleaned_data["values_json"]
        job: Job | None = self.instance.job
        if job is not None and values == _values_of(job):
            return list(job.run_params or [])
        return list(guessed(values))

    def blame(self, errors: Iterable[FieldError]) -> None:
        """What the services refuse stands at its field."""
        for error in errors:
            path = error.path.partition("[")[0]
            name = PATHS.get(path) or PATHS.get(path.partition(".")[0])
            self.add_error(name if name in self.fields else None, error.message)


def _of_job(job: Job | None) -> dict[str, Any]:
    if job is None:
        return {}
    params = job.params
    source = DataSource.objects.filter(tenant=job.tenant_id, slug=params.get("datasource", "")).first()
    return {
        "datasource": source.pk if source else None,
        "sql": params.get("sql", ""),
        "script": params.get("script", ""),
        "version": params.get("version"),
        "values_json": _values_of(job),
    }


def _values_of(job: Job) -> dict[str, Any]:
    return {each["name"]: each.get("default") for each in job.run_params or []}


def _of_notice(notice: NotificationRule | None) -> dict[str, Any]:
    if notice is None:
        return {"triggers": [one.value for one in sqlalert.TOLD]}
    quiet = {f"quiet_{name}": "" if value is None else value for name, value in (notice.quiet_hours or {}).items()}
    chosen = list(notice.channels.values_list("pk", flat=True)) if notice.is_enabled else []
    return {"triggers": notice.triggers, "channels": chosen, **quiet}


SqlAlertForm: type[BaseSqlAlertForm] = type(
    "SqlAlertForm", (BaseSqlAlertForm,), {**rule_fields.all_fields(), "__module__": __name__}
)
