"""The measurements, one module per group: `measure(place, *, quick)` yields figures, both sides from the same run.

A group is found by its module's name: a new file in this folder is a new group of `make bench`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from types import ModuleType

from bench.figure import Figure
from bench.place import Place

Measure = Callable[..., Iterator[Figure]]


def groups() -> dict[str, ModuleType]:
    """Name → module, in the order of the names' `ORDER`; modules are imported only once Django is set up."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    modules = {name: importlib.import_module(f"bench.figures.{name}") for name in names}
    return dict(sorted(modules.items(), key=lambda item: (item[1].ORDER, item[0])))


def names() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__)]


__all__ = ["Figure", "Place", "groups", "names"]
