"""What a condition is: a class with `kind`, `label`, `Params` and one verb, `look`. PURE.

A condition sees one observation and says whether what it looks for is so (`BAD`), is not so (`GOOD`), or why that
can't be told (`NO_DATA`, `BROKEN`). Third parties add kinds through the entry-point group "portal.alert_conditions".
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, ClassVar

from django.utils.functional import Promise
from pydantic import ValidationError

from alerts.cells import JSON, cell_text, find_column, number, plain
from alerts.params import Params
from alerts.signals import Verdict
from alerts.wording import Sentence, say
from portal.lib.fielderrors import field_errors
from portal.lib.plugins import Registry, UnknownKindError

log = logging.getLogger(__name__)
MOST_COLUMNS_NAMED = 12


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What is kept of a judgement to compare later ones with. `measure` says of what: others are no comparison."""

    at: datetime
    measure: str
    number: Fraction | None = None
    digest: str = ""

    def to_json(self) -> dict[str, Any]:
        return {
            "at": self.at.isoformat(),
            "measure": self.measure,
            "number": str(self.number) if self.number is not None else None,
            "digest": self.digest,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Summary:
        exact = stored["number"]
        return cls(
            at=datetime.fromisoformat(stored["at"]),
            measure=stored["measure"],
            number=Fraction(exact) if exact is not None else None,
            digest=stored["digest"],
        )


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One result and what came before it. `columns` is None when the job gave no table.

    `row_count` counts the rows that were kept; there were more when `is_truncated`. `yesterday` and `last_week` are
    summaries of the same rule about that long ago (`alerts.conditions.earlier` finds them).
    """

    at: datetime
    columns: Sequence[str] | None = None
    rows: Sequence[Sequence[JSON]] = ()
    is_truncated: bool = False
    last: Summary | None = None
    yesterday: Summary | None = None
    last_week: Summary | None = None
    expected_interval: timedelta | None = None

    @classmethod
    def of_result(cls, result: Any, at: datetime, **known: Any) -> Observation:
        """Of a SQL run's `result`, as `jobs.executors.sql` stores it."""
        if not isinstance(result, Mapping) or not isinstance(result.get("columns"), list):
            return cls(at=at, **known)
        return cls(
            at=at,
            columns=tuple(str(name) for name in result["columns"]),
            rows=tuple(tuple(row) for row in result.get("rows") or ()),
            is_truncated=bool(result.get("truncated")),
            **known,
        )

    @property
    def row_count(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """`number` is what was looked at, exactly; `measure` and `digest` are for the next comparison."""

    verdict: Verdict
    sentence: Sentence
    number: Fraction | None = None
    measure: str = ""
    digest: str = ""

    @property
    def value(self) -> float | None:
        """For charts."""
        return plain(self.number) if self.number is not None else None

    def summary(self, at: datetime) -> Summary | None:
        """What to keep of it, also when there was nothing to compare it with; None when nothing was measured."""
        if not self.measure:
            return None
        return Summary(at=at, measure=self.measure, number=self.number, digest=self.digest)


class UndecidedError(Exception):
    """It can't be told whether the condition is met; the judgement says why."""

    def __init__(self, verdict: Verdict, key: str, /, **args: Any) -> None:
        super().__init__(key)
        self.judgement = Judgement(verdict=verdict, sentence=say(key, **args))


class Condition(ABC):
    """One kind of condition."""

    kind: ClassVar[str]
    label: ClassVar[str | Promise]
    Params: ClassVar[type[Params]]

    @abstractmethod
    def look(self, params: Any, observation: Observation) -> Judgement:
        """Judge an observation that has a table; raise UndecidedError when it can't be told."""

    def judge(self, params: Any, observation: Observation) -> Judgement:
        """Never raises: whatever goes wrong is a judgement."""
        try:
            if observation.columns is None:
                raise UndecidedError(Verdict.BROKEN, "any.no_result")
            return self.look(params, observation)
        except UndecidedError as undecided:
            return undecided.judgement
        except Exception as error:
            log.exception("The condition %s failed.", self.kind)
            sentence = say("any.crashed", kind=self.kind, cause=f"{type(error).__name__}: {error}"[:200])
            return Judgement(verdict=Verdict.BROKEN, sentence=sentence)


CONDITIONS: Registry[Condition] = Registry("portal.alert_conditions")


def judge(kind: str, params: Mapping[str, Any], observation: Observation) -> Judgement:
    """The judgement of a stored condition; one that can't be used any more is broken, and says so."""
    try:
        condition = CONDITIONS.get(kind)
        return condition.judge(condition.Params.model_validate(dict(params)), observation)
    except UnknownKindError:
        return Judgement(verdict=Verdict.BROKEN, sentence=say("any.unknown_kind", kind=kind))
    except ValidationError as error:
        cause = "; ".join(str(one) for one in field_errors(error))
        return Judgement(verdict=Verdict.BROKEN, sentence=say("any.bad_params", cause=cause[:300]))


def verdict_of(alarm: Judgement, recovery: Judgement | None = None) -> Verdict:
    """What the fold is told. A recovery condition says when it is good again: it has to be met, as its name says.

    Until then what is not bad is `BETWEEN`. One that can't be judged breaks the check.
    """
    if alarm.verdict != Verdict.GOOD or recovery is None:
        return alarm.verdict
    if recovery.verdict == Verdict.BROKEN:
        return Verdict.BROKEN
    return Verdict.GOOD if recovery.verdict == Verdict.BAD else Verdict.BETWEEN


@dataclass(frozen=True, kw_only=True)
class Column:
    """The cells of a column, in the order of the rows."""

    name: str
    cells: list[JSON] = field(default_factory=list)

    def numbers(self) -> list[Fraction | None]:
        """None for NULL; UndecidedError for a cell that holds something else than a number."""
        return [self.number_in(row) for row in range(len(self.cells))]

    def number_in(self, row: int) -> Fraction | None:
        cell = self.cells[row]
        found = number(cell)
        if found is None and cell is not None:
            raise UndecidedError(
                Verdict.BROKEN, "any.not_a_number", column=self.name, cell=cell_text(cell), row=row + 1
            )
        return found


def column_of(observation: Observation, name: str) -> Column:
    """The column of that name; UndecidedError when there is none, or more than one."""
    columns = list(observation.columns or ())
    places = find_column(columns, name)
    if not places:
        shown = ", ".join(columns[:MOST_COLUMNS_NAMED]) + (", …" if len(columns) > MOST_COLUMNS_NAMED else "")
        raise UndecidedError(Verdict.BROKEN, "any.no_column", column=name, columns=shown)
    if len(places) > 1:
        raise UndecidedError(Verdict.BROKEN, "any.many_columns", column=name)
    return Column(name=columns[places[0]], cells=[row[places[0]] for row in observation.rows])


def filled_column(observation: Observation, name: str) -> Column:
    """A column with at least one value in it."""
    column = column_of(observation, name)
    if not column.cells:
        if observation.is_truncated:
            raise truncated(observation)
        raise UndecidedError(Verdict.NO_DATA, "any.no_rows", column=column.name)
    if all(cell is None for cell in column.cells) and not observation.is_truncated:
        raise UndecidedError(Verdict.NO_DATA, "any.all_null", column=column.name)
    return column


def truncated(observation: Observation) -> UndecidedError:
    """Not all rows are here, and the missing ones matter."""
    return UndecidedError(Verdict.BROKEN, "any.truncated", count=observation.row_count)
