"""How a worker looks: its state, its load, and what its page shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from jobs import nodes, reasons
from jobs.models import Attempt, Run, WorkerNode
from jobs.nodes import NodeState
from jobs.states import RunStatus

MOST_RUNNING = 100
LATEST = 20
# Colour and icon; the word is the state's own.
LOOKS: Mapping[str, tuple[str, str]] = {
    NodeState.ACTIVE: ("live", "bolt"),
    NodeState.IDLE: ("good", "check_circle"),
    NodeState.DRAINING: ("warn", "hourglass_top"),
    NodeState.OFFLINE: ("bad", "link_off"),
    NodeState.STOPPED: ("plain", "stop_circle"),
}


@dataclass(frozen=True, kw_only=True)
class Line:
    """A small curve of the last minutes: points of an SVG of 160 × 40, and the same in words."""

    title: str
    points: str
    words: str


def cpu_limit() -> float:
    return float(settings.PORTAL_NODE_CPU_PERCENT)


def memory_limit() -> float:
    return float(settings.PORTAL_NODE_MEMORY_PERCENT)


def badge(node: WorkerNode, *, now: datetime) -> SafeString:
    state = nodes.state_of(node, now=now)
    tone, icon = LOOKS[state]
    return format_html(
        '<span class="p-badge p-badge--{}" data-state="{}"><span class="material-symbols-outlined" aria-hidden="true">'
        "{}</span><span>{}</span></span>",
        tone,
        state.value,
        icon,
        state.label,
    )


def meter(percent: float, words: str, *, limit: float) -> SafeString:
    """A bar and its figure; above the limit it is of another colour, and the figure says how much it is."""
    tone, width = "warn" if percent > limit else "info", round(min(max(percent, 0), 100))
    return format_html(
        '<span class="p-meter"><span class="p-bar" aria-hidden="true">{}</span>'
        '<span class="p-num p-nowrap">{}</span></span>',
        format_html('<i class="p-tone--{}" style="width:{}%"></i>', tone, width) if width else "",
        words,
    )


def counts(*, now: datetime) -> list[tuple[str, str, str, str, int]]:
    """(state, word, colour, icon, how many) of each state, stopped ones left out."""
    shown = [state for state in NodeState if state != NodeState.STOPPED]
    wanted = {state.value: Count("pk", filter=nodes.in_state(state, now=now)) for state in shown}
    found = WorkerNode.objects.filter(stopped_at=None).aggregate(**wanted)
    return [(state.value, str(state.label), *LOOKS[state], found[state.value]) for state in shown]


def context(node: WorkerNode, *, now: datetime) -> dict[str, Any]:
    state = nodes.state_of(node, now=now)
    running = Run.objects.filter(worker=node, status=RunStatus.RUNNING).select_related("job", "tenant")
    latest = Attempt.objects.filter(worker=node).select_related("run__job", "run__tenant").order_by("-id")
    return {
        "node": node,
        "state": state.value,
        "badge": badge(node, now=now),
        "is_asked": node.drain_requested_at is not None,
        "is_leaving": node.is_draining and node.drain_requested_at is None,
        "can_be_told": state in (NodeState.ACTIVE, NodeState.IDLE, NodeState.DRAINING),
        "gate": reasons.render(node.gate_reason, node.gate_reason_args),
        "kinds": [name for name in node.capabilities if ":" not in name],
        "extras": [name for name in node.capabilities if ":" in name],
        "load": meter(
            100 * node.running_count / max(node.capacity, 1), f"{node.running_count} / {node.capacity}", limit=100
        ),
        "lines": lines(node.history),
        "running": running.order_by("started_at", "id")[:MOST_RUNNING],
        "latest": latest[:LATEST],
    }


def lines(history: Any) -> list[Line]:
    """CPU and memory over the last heartbeats; none before there are two, or when the rows can't be read."""
    try:
        samples = [(float(cpu), float(memory)) for _at, cpu, memory, _running in history]
    except (TypeError, ValueError):
        return []
    if len(samples) < 2:
        return []
    titles = (_("CPU"), _("Memory"))
    return [_line(title, [sample[place] for sample in samples]) for place, title in enumerate(titles)]


def _line(title: str, values: list[float]) -> Line:
    step = 160 / (len(values) - 1)
    points = " ".join(f"{place * step:.1f},{38 - 0.36 * min(max(v, 0), 100):.1f}" for place, v in enumerate(values))
    words = _("now %(now)d %%, highest %(most)d %%") % {"now": round(values[-1]), "most": round(max(values))}
    return Line(title=title, points=points, words=words)
