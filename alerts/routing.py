"""Which rules and silences concern an event: by job, category, alert rule and label. PURE.

A selector's criteria must all fit, each by any of its values; an empty selector fits everything. `Router` looks up
the few rules that can fit, so that the cost of an event does not grow with the number of rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, field_validator

from alerts.params import Params
from alerts.states import Severity
from portal.lib.labels import NAME, VALUE
from portal.lib.paramtypes import Shown

_TERM = re.compile(rf"(?P<none>!)?(?P<name>{NAME})(?:(?P<sign>!?=)(?P<value>{VALUE}))?")


@dataclass(frozen=True, kw_only=True)
class Target:
    """What an event is about. `job` and `rule` are slugs; a tag is a label without a value."""

    job: str = ""
    category: str = ""
    rule: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LabelTerm:
    """team=payments, team!=payments (another team, or none), urgent (has the label), !urgent (has it not)."""

    name: str
    value: str | None = None
    is_negative: bool = False

    def fits(self, labels: Mapping[str, str]) -> bool:
        found = self.name in labels if self.value is None else labels.get(self.name) == self.value
        return found != self.is_negative

    @classmethod
    def parse(cls, text: str) -> LabelTerm:
        """ValueError, with a sentence, for what is no term."""
        match = _TERM.fullmatch(text.strip())
        if match is None or (match["none"] and match["sign"]):
            words = _("“%(text)s” is no label: write team=payments, team!=payments, urgent or !urgent.")
            raise ValueError(words % {"text": text.strip()[:60]})
        return cls(name=match["name"], value=match["value"], is_negative=bool(match["none"]) or match["sign"] == "!=")


class Selector(Params):
    jobs: Annotated[tuple[str, ...], Shown(label=gettext_lazy("Jobs"))] = Field(default=(), max_length=500)
    rules: Annotated[tuple[str, ...], Shown(label=gettext_lazy("Alert rules"))] = Field(default=(), max_length=500)
    categories: Annotated[tuple[str, ...], Shown(label=gettext_lazy("Categories"))] = Field(default=(), max_length=50)
    labels: Annotated[
        tuple[str, ...],
        Shown(
            label=gettext_lazy("Labels"),
            help=gettext_lazy("All of them, one per line: team=payments, team!=payments, urgent, !urgent."),
        ),
    ] = Field(default=(), max_length=50)

    @field_validator("labels")
    @classmethod
    def _are_terms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            LabelTerm.parse(text)
        return value

    @property
    def terms(self) -> tuple[LabelTerm, ...]:
        return tuple(LabelTerm.parse(text) for text in self.labels)

    def fits(self, target: Target) -> bool:
        """Whether the target is among what is meant."""
        return _fits(self, self.terms, target)


def _fits(selector: Selector, terms: Iterable[LabelTerm], target: Target) -> bool:
    wanted = ((selector.jobs, target.job), (selector.rules, target.rule), (selector.categories, target.category))
    if any(values and value not in values for values, value in wanted):
        return False
    return all(term.fits(target.labels) for term in terms)


@dataclass(frozen=True, kw_only=True)
class Silence:
    """From `starts_at` on, before `ends_at`."""

    id: int
    selector: Selector
    starts_at: datetime
    ends_at: datetime

    def covers(self, target: Target, at: datetime) -> bool:
        return self.starts_at <= at < self.ends_at and self.selector.fits(target)


def silence_of(silences: Iterable[Silence], target: Target, at: datetime) -> Silence | None:
    """The silence that covers the target; of several, the one that lasts longest."""
    return max((one for one in silences if one.covers(target, at)), key=lambda one: one.ends_at, default=None)


def is_above(severity: Severity, floor: Severity | None) -> bool:
    """Whether it is urgent enough for a rule with this floor."""
    return floor is None or severity.rank >= floor.rank


R = TypeVar("R")
Place = tuple[str, str]


class Router(Generic[R]):
    """The rules of a tenant by what they select; `route` finds those that fit, in the order they were given."""

    def __init__(self, rules: Iterable[tuple[Selector, R]]) -> None:
        self._rules = list(rules)
        self._terms = [selector.terms for selector, _rule in self._rules]
        self._by_place: dict[Place, list[int]] = {}
        for number, (selector, _rule) in enumerate(self._rules):
            for place in _places_of(selector, self._terms[number]):
                self._by_place.setdefault(place, []).append(number)

    def route(self, target: Target) -> list[R]:
        numbers = {number for place in _places_at(target) for number in self._by_place.get(place, ())}
        found = [(*self._rules[number], self._terms[number]) for number in sorted(numbers)]
        return [rule for selector, rule, terms in found if _fits(selector, terms, target)]


def _places_of(selector: Selector, terms: Iterable[LabelTerm]) -> list[Place]:
    """Where a rule is looked for: by the criterion that is likely to leave out most."""
    for name, values in (("job", selector.jobs), ("rule", selector.rules)):
        if values:
            return [(name, value) for value in values]
    label = next((term for term in terms if not term.is_negative), None)
    if label:
        return [("label", label.name if label.value is None else f"{label.name}={label.value}")]
    if selector.categories:
        return [("category", value) for value in selector.categories]
    return [("", "")]


def _places_at(target: Target) -> Iterator[Place]:
    yield ("", "")
    yield from (("job", target.job), ("rule", target.rule), ("category", target.category))
    for name, value in target.labels.items():
        yield from (("label", name), ("label", f"{name}={value}"))
