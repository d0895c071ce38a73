"""A table of plug-ins by kind, filled by ours and by entry points of installed packages."""

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class UnknownKindError(LookupError):
    """No plug-in answers to this kind."""


class Registry(Generic[T]):
    """Kind → one instance of its class. Ours are registered at import; others are looked up once."""

    def __init__(self, group: str) -> None:
        self.group = group
        self._table: dict[str, T] = {}
        self._loaded = False

    def register(self, cls: type[Any]) -> type[Any]:
        """Class decorator: `kind` names the plug-in."""
        self._table[cls.kind] = cls()
        return cls

    def get(self, kind: str) -> T:
        self._load()
        try:
            return self._table[kind]
        except KeyError:
            raise UnknownKindError(kind) from None

    def kinds(self) -> list[str]:
        self._load()
        return list(self._table)

    def __iter__(self) -> Iterator[T]:
        self._load()
        return iter(self._table.values())

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        for point in entry_points(group=self.group):
            cls = point.load()
            self._table.setdefault(cls.kind, cls())
