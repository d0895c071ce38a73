"""The editor of quiet hours: rows of weekdays, from and to. It needs no script; two empty rows wait for more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import INPUT_CLASSES

DAYS = (
    gettext_lazy("Mon"),
    gettext_lazy("Tue"),
    gettext_lazy("Wed"),
    gettext_lazy("Thu"),
    gettext_lazy("Fri"),
    gettext_lazy("Sat"),
    gettext_lazy("Sun"),
)
MOST = 50
SPARE = 2
Span = dict[str, Any]


class SpansWidget(forms.Widget):
    """One row for each span; a row without times is none."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[Span]:
        found = []
        for row in range(MOST):
            starts, ends = data.get(f"{name}-{row}-starts", "").strip(), data.get(f"{name}-{row}-ends", "").strip()
            if starts or ends:
                days = data.getlist(f"{name}-{row}-days") if hasattr(data, "getlist") else data[f"{name}-{row}-days"]
                weekdays = sorted(int(day) for day in days if day in "0123456" and day)
                found.append({"weekdays": weekdays, "starts": starts, "ends": ends})
        return found

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}-0-starts" not in data

    def id_for_label(self, id_: str) -> str:
        return f"{id_}-0-starts" if id_ else ""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        spans = [*(value or []), *[{} for _each in range(SPARE)]][:MOST]
        prefix = (attrs or {}).get("id") or f"id_{name}"
        off = bool((attrs or {}).get("disabled"))
        rows = format_html_join("", "{}", ((_row(name, prefix, place, each, off),) for place, each in enumerate(spans)))
        return format_html('<div class="p-spans" id="{}">{}</div>', prefix, rows)


def _row(name: str, prefix: str, place: int, span: Mapping[str, Any], off: bool) -> SafeString:
    chosen = span.get("weekdays", range(7))
    title = _("Quiet time %(number)d") % {"number": place + 1}
    disabled = SafeString(" disabled") if off else ""
    days = format_html_join(
        "",
        '<label class="p-weekday"><input type="checkbox" name="{}-{}-days" value="{}"{}{}><span>{}</span></label>',
        ((name, place, day, SafeString(" checked") if day in chosen else "", disabled, word)
         for day, word in enumerate(DAYS)),
    )  # fmt: skip
    times = format_html_join(
        "",
        '<label><span class="p-sr">{}</span>'
        '<input type="time" name="{}-{}-{}" id="{}-{}-{}" value="{}" class="{}"{}></label>',
        ((word, name, place, part, prefix, place, part, str(span.get(part, ""))[:5], " ".join(INPUT_CLASSES), disabled)
         for part, word in (("starts", _("From")), ("ends", _("Until")))),
    )  # fmt: skip
    return format_html('<fieldset class="p-span"><legend class="p-sr">{}</legend>{}{}</fieldset>', title, days, times)


class SpansField(forms.Field):
    """Gives [{"weekdays": [0…6], "starts": "22:00", "ends": "07:00"}], as `alerts.quiethours.QuietSpan` takes them."""

    widget = SpansWidget

    def has_changed(self, initial: Any, data: Any) -> bool:
        return [_plain(span) for span in initial or []] != [_plain(span) for span in data or []]


def _plain(span: Mapping[str, Any]) -> tuple[Any, ...]:
    days = span.get("weekdays", range(7))
    return tuple(sorted(days)), str(span.get("starts", ""))[:5], str(span.get("ends", ""))[:5]
