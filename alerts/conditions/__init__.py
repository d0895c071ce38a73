"""What is wrong, judged from one result: `judge(kind, params, observation)`. PURE."""

from alerts.conditions import aggregates, changes, compare, counts, fresh, values
from alerts.conditions.base import CONDITIONS, Condition, Judgement, Observation, Summary, judge, verdict_of
from alerts.conditions.compare import earlier

__all__ = [
    "CONDITIONS",
    "Condition",
    "Judgement",
    "Observation",
    "Summary",
    "aggregates",
    "changes",
    "compare",
    "counts",
    "earlier",
    "fresh",
    "judge",
    "values",
    "verdict_of",
]
