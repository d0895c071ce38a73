"""`nodes`: list the workers; drain one, or let it work again."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.translation import gettext as _

from jobs import dbclock, nodes, reasons
from jobs.models import WorkerNode


class Command(BaseCommand):
    """A drained worker finishes what runs, takes nothing more, and stays up until it is resumed."""

    help = "List the workers; drain one (it finishes what runs and takes nothing more) or resume it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("verb", nargs="?", default="list", choices=["list", "drain", "resume"])
        parser.add_argument("name", nargs="?", default="", help="the worker's name, as the list shows it")
        parser.add_argument("--all", action="store_true", help="list stopped workers too")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["verb"] == "list":
            self._list(is_whole=options["all"], as_json=options["json"])
        else:
            self._tell(options["name"], drain=options["verb"] == "drain", as_json=options["json"])

    def _list(self, *, is_whole: bool, as_json: bool) -> None:
        rows = WorkerNode.objects.all() if is_whole else WorkerNode.objects.filter(stopped_at=None)
        now = dbclock.now()
        found = [facts(node, nodes.state_of(node, now=now)) for node in rows.defer("history").order_by("name", "pk")]
        if as_json:
            self.stdout.write(json.dumps({"workers": found}))
            return
        for node in found:
            load = f"{node['running']}/{node['capacity']}"
            queues = ", ".join(node["queues"])
            self.stdout.write(f"{node['state']:<9} {load:>7}  {node['name']}  [{queues}]  {node['busy']}".rstrip())
        if not found:
            self.stdout.write(_("No worker has registered."))

    def _tell(self, name: str, *, drain: bool, as_json: bool) -> None:
        node = nodes.newest_named(name) if name else None
        if node is None:
            raise CommandError(_("There is no worker “%(name)s”: `manage.py nodes` lists them.") % {"name": name})
        changed = nodes.request_drain(node, actor=None) if drain else nodes.resume(node, actor=None)
        if as_json:
            self.stdout.write(json.dumps({"worker": node.name, "drain": drain, "changed": changed}))
        elif not changed:
            self.stdout.write(_("Nothing to change: it was so already."))
        elif drain:
            self.stdout.write(_("“%(name)s” takes no more runs from its next heartbeat on.") % {"name": node.name})
        else:
            self.stdout.write(_("“%(name)s” takes runs again from its next heartbeat on.") % {"name": node.name})


def facts(node: WorkerNode, state: nodes.NodeState) -> dict[str, Any]:
    """One worker in the JSON answer."""
    return {
        "name": node.name,
        "slot": node.slot,
        "host": node.host,
        "state": state.value,
        "running": node.running_count,
        "capacity": node.capacity,
        "queues": node.queues,
        "capabilities": node.capabilities,
        "cpu_percent": node.cpu_percent,
        "memory_percent": node.memory_percent,
        "busy": reasons.render(node.gate_reason, node.gate_reason_args),
        "drain_requested": node.drain_requested_at is not None,
        "last_seen_at": node.last_seen_at.isoformat(),
        "version": node.version,
    }
