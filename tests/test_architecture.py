"""The layers, read from the syntax trees: what imports what, foreign keys included."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from tests import source
from tests.source import APPS, ROOT

LAYERS = ("portal.lib", "accounts", "datasources", "jobs", "alerts", "portal")
RELATIONS = {"ForeignKey", "OneToOneField", "ManyToManyField"}
# Modules that decide without I/O: no rows, no Celery, no clock.
PURE = (
    "jobs/states.py",
    "jobs/policies.py",
    "jobs/parts.py",
    "jobs/engine/gate.py",
    "jobs/engine/offer.py",
    "jobs/backfillplan.py",
    "jobs/fates.py",
    "jobs/periods.py",
    "jobs/reasons.py",
    "jobs/scheduling/triggers.py",
    "jobs/scheduling/cron.py",
    "jobs/scheduling/misfire.py",
    "jobs/scheduling/presets.py",
    "jobs/scheduling/walls.py",
    "jobs/scheduling/zones.py",
    "jobs/scheduling/calendars.py",
    "jobs/scheduling/workdays.py",
    "jobs/scheduling/exclusions.py",
    "jobs/scheduling/plan.py",
    "jobs/scheduling/closed.py",
    "jobs/scheduling/describe.py",
    "jobs/scheduling/natural.py",
    "jobs/scheduling/rhythm.py",
    "jobs/scheduling/wording_en.py",
    "jobs/scheduling/wording_zh.py",
    "datasources/sqlguard.py",
    "datasources/lexer.py",
    "alerts/states.py",
    "alerts/signals.py",
    "alerts/cells.py",
    "alerts/params.py",
    "alerts/lengths.py",
    "alerts/policies.py",
    "alerts/contracts.py",
    "alerts/memory.py",
    "alerts/effects.py",
    "alerts/fold.py",
    "alerts/wording.py",
    "alerts/rowdiff.py",
    "alerts/noticefold.py",
    "alerts/quiethours.py",
    "alerts/routing.py",
    "alerts/rota.py",
    "alerts/retries.py",
    "alerts/slots.py",
    "alerts/baseline.py",
    "alerts/templatevars.py",
    "alerts/templating.py",
    "alerts/defaulttemplates.py",
    "alerts/transports/message.py",
    "alerts/transports/texts.py",
    "alerts/transports/masking.py",
    "alerts/transports/mailpage.py",
    "alerts/transports/addresses.py",
    "alerts/conditions/base.py",
    "alerts/conditions/operators.py",
    "alerts/conditions/counts.py",
    "alerts/conditions/values.py",
    "alerts/conditions/aggregates.py",
    "alerts/conditions/changes.py",
    "alerts/conditions/compare.py",
    "alerts/conditions/fresh.py",
    "datasources/hazards.py",
    "datasources/powers.py",
    "datasources/states.py",
)
DOORS = {
    "admin",
    "api",
    "api_base",
    "admin_base",
    "tasks",
    "management",
    "views",
    "urls",
    "apps",
    "checks",
    "middleware",
    "templatetags",
    "forms",
}
ENGINE = {"engine", "why"}
ENGINE_MODULES = {"jobs.scheduling.tick", "jobs.scheduling.clock", "jobs.invariants"}
CLOCKS = {"now", "utcnow", "today", "time", "localtime"}


def layer_of(name: str) -> int | None:
    """The place of a dotted name in LAYERS; None for what is not ours."""
    if name == "portal.lib" or name.startswith("portal.lib."):
        return 0
    head = name.split(".", 1)[0]
    return LAYERS.index(head) if head in LAYERS else None


def related_names(tree: ast.AST) -> list[tuple[str, int]]:
    """Models that relations name by string: ForeignKey("jobs.Job", …)."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node) in RELATIONS:
            targets = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "to")]
            found += [
                (target.value, node.lineno)
                for target in targets
                if isinstance(target, ast.Constant) and isinstance(target.value, str) and "." in target.value
            ]
    return found


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def upward(tree: ast.Module, module: str, *, is_package: bool = False) -> list[str]:
    """The imports and relations of a module that go up."""
    own = layer_of(module)
    names = [*source.imports(tree, module, is_package=is_package), *related_names(tree)]
    return [
        f"{module}:{line} uses {name}"
        for name, line in names
        if own is not None and (other := layer_of(name)) is not None and other > own
    ]


def room_of(module: str) -> int:
    """Inside an app: 0 pure, 1 models, 2 services, 3 engine, 4 doors."""
    parts = module.split(".")
    if module.replace(".", "/") + ".py" in PURE:
        return 0
    if len(parts) > 1 and parts[1] in DOORS:
        return 4
    if len(parts) > 1 and parts[1] == "models":
        return 1
    return 3 if module in ENGINE_MODULES or (len(parts) > 1 and parts[1] in ENGINE) else 2


def known_module(name: str) -> str:
    """The module behind a name: jobs.models.Run is in jobs.models."""
    parts = name.split(".")
    while len(parts) > 1:
        path = ROOT.joinpath(*parts)
        if path.with_suffix(".py").exists() or (path / "__init__.py").exists():
            return ".".join(parts)
        parts.pop()
    return parts[0]


def outward(tree: ast.Module, module: str, *, is_package: bool = False) -> list[str]:
    """Imports inside an app that go from an inner room to an outer one."""
    app = module.split(".", 1)[0]
    names = [(known_module(name), line) for name, line in source.imports(tree, module, is_package=is_package)]
    return [
        f"{module}:{line} (room {room_of(module)}) uses {name} (room {room_of(name)})"
        for name, line in names
        if name.startswith(f"{app}.") and room_of(name) > room_of(module)
    ]


def impurities(tree: ast.Module, module: str) -> list[str]:
    """What a pure module must not do: rows, Celery, the clock. Django's TextChoices are only names."""
    found = []
    for name, line in source.imports(tree, module):
        if name.startswith(("celery", "kombu", "django_celery_beat", "redis", "sqlalchemy", "httpx", "subprocess")):
            found.append(f"{module}:{line} imports {name}")
        if name.startswith("django.db") and not name.endswith((".models", "Choices")):
            found.append(f"{module}:{line} imports {name}")
        if ".models." in f"{name}." and name.split(".")[0] in APPS:
            found.append(f"{module}:{line} imports {name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "models" and "Choices" not in node.attr:
            found.append(f"{module}:{node.lineno} uses models.{node.attr}")
        if isinstance(node, ast.Call) and _called(node) in CLOCKS and not node.args and _is_clock(node):
            found.append(f"{module}:{node.lineno} reads the clock")
    return found


def _is_clock(node: ast.Call) -> bool:
    owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else "timezone"
    return owner.split(".")[-1] in {"datetime", "timezone", "time", "date"}


def every_module() -> list[Path]:
    return source.modules(*APPS)


def test_no_import_or_relation_goes_up() -> None:
    found = [
        line
        for path in every_module()
        for line in upward(source.tree(path), source.dotted(path), is_package=path.name == "__init__.py")
    ]
    assert not found, "\n".join(found)


def test_inside_an_app_no_import_goes_outward() -> None:
    found = [
        line
        for path in source.modules("accounts", "datasources", "jobs", "alerts")
        for line in outward(source.tree(path), source.dotted(path), is_package=path.name == "__init__.py")
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", [name for name in PURE if (ROOT / name).exists()])
def test_pure_module_has_no_rows_no_celery_no_clock(name: str) -> None:
    path = ROOT / name
    found = impurities(source.tree(path), source.dotted(path))
    assert not found, "\n".join(found)


def test_the_runner_needs_only_the_standard_library() -> None:
    allowed = {*sys.stdlib_module_names, "jobs"}
    found = [
        f"{path.name}:{line} imports {name}"
        for path in source.modules("jobs/runner")
        for name, line in source.imports(source.tree(path), source.dotted(path))
        if name.split(".")[0] not in allowed or (name.startswith("jobs.") and not name.startswith("jobs.runner"))
    ]
    assert not found, "\n".join(found)


def test_no_model_signal_is_received_and_no_save_or_delete_is_overridden() -> None:
    found = [
        f"{source.dotted(path)}:{node.lineno} {node.name}"
        for path in every_module()
        if "models" in path.parts
        for node in ast.walk(source.tree(path))
        if isinstance(node, ast.FunctionDef) and node.name in {"save", "delete"}
    ]
    found += [
        f"{source.dotted(path)}:{line} {name}"
        for path in every_module()
        for name, line in source.imports(source.tree(path), source.dotted(path))
        if name.startswith("django.db.models.signals")
    ]
    assert not found, "\n".join(found)


# --- the tests above can fail ---


@pytest.mark.parametrize(
    "code",
    [
        "import jobs.models",
        "from jobs import runs",
        "def f():\n    from jobs.models import Run",
        "if TYPE_CHECKING:\n    import portal.urls",
        "job = models.ForeignKey('jobs.Job', models.CASCADE)",
        "job = models.ForeignKey(to='alerts.Rule', on_delete=models.CASCADE)",
    ],
)
def test_an_upward_import_is_seen(code: str) -> None:
    assert upward(ast.parse(code), "accounts.models.user")


@pytest.mark.parametrize("code", ["from portal.lib import text", "import accounts.models", "from . import drivers"])
def test_a_downward_import_is_allowed(code: str) -> None:
    assert not upward(ast.parse(code), "datasources.query")


def test_an_outward_import_is_seen() -> None:
    assert outward(ast.parse("from jobs.engine import claim"), "jobs.models.run")
    assert outward(ast.parse("from jobs.models import Run"), "jobs.states")
    assert not outward(ast.parse("from jobs.models import Run"), "jobs.engine.claim")


@pytest.mark.parametrize(
    "code",
    [
        "from jobs.models import Run",
        "import celery",
        "from django.db import connection",
        "from django.db import models\nx = models.CharField()",
        "x = timezone.now()",
        "x = datetime.datetime.now()",
        "x = time.time()",
    ],
)
def test_an_impurity_is_seen(code: str) -> None:
    assert impurities(ast.parse(code), "jobs.states")


def test_names_of_choices_are_pure() -> None:
    assert not impurities(ast.parse("from django.db import models\nclass S(models.TextChoices): ..."), "jobs.states")
