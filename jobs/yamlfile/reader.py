"""YAML into plain values that remember their lines. PURE.

Text that looks like a date stays text; repeated keys, unknown tags and alias bombs are refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from django.utils.translation import gettext as _

MOST_BYTES = 5 * 1024 * 1024
MOST_VALUES = 200_000  # aliases count each time they are used
DEEPEST = 40

Path = tuple[int | str, ...]
_PART = re.compile(r"\[(\d+)\]|([^.\[\]]+)")

_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null")}
_TEXT_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("timestamp", "value")}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(Exception):
    """The text is not what the portal reads; `line` counts from 1."""

    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line
        self.sentence = sentence


@dataclass(frozen=True)
class Document:
    """`value` is plain dicts, lists and scalars; `line_of` finds where a path stands."""

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)

    def line_of(self, path: Path) -> int:
        """The line of the path, or of the nearest place above it that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parts_of(path: str) -> Path:
    """ "jobs[2].retry.max" → ("jobs", 2, "retry", "max")."""
    return tuple(int(index) if index else name for index, name in _PART.findall(path))


def read_yaml(raw: bytes) -> Document:
    """One document in UTF-8; YamlError otherwise."""
    if len(raw) > MOST_BYTES:
        raise YamlError(1, _("The file is too large: at most %(limit)d MB.") % {"limit": MOST_BYTES // 1024**2})
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise YamlError(line, _("The file is not text in UTF-8: save it in UTF-8.")) from None
    _refuse_deep(text)
    loader = _LOADER(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise YamlError(1, _("The file is empty."))
        return _Builder(loader).document(node)
    except yaml.MarkedYAMLError as error:
        raise _syntax(error) from None
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise YamlError(line, _("The file contains a character that YAML does not allow.")) from None
    except RecursionError:
        raise YamlError(1, _("The file is nested too deeply.")) from None
    finally:
        loader.dispose()


def _refuse_deep(text: str) -> None:
    """libyaml's composer recurses in C, where no RecursionError saves us: look at the events first."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise YamlError(line, _("The file is nested too deeply."))
    except (yaml.YAMLError, RecursionError):
        return  # told below, with its line


def _syntax(error: yaml.MarkedYAMLError) -> YamlError:
    mark = error.problem_mark or error.context_mark
    words = _("This is not valid YAML: %(cause)s.") % {"cause": error.problem or error.context or "?"}
    return YamlError(mark.line + 1 if mark else 1, words)


class _Builder:
    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.lines: dict[Path, int] = {}
        self.count = 0

    def document(self, node: yaml.Node) -> Document:
        return Document(self._build(node, ()), self.lines)

    def _build(self, node: yaml.Node, path: Path) -> Any:
        line = node.start_mark.line + 1
        self.count += 1
        if self.count > MOST_VALUES or len(path) > DEEPEST:
            raise YamlError(line, _("The file holds too many values or is nested too deeply; aliases count each time."))
        self.lines.setdefault(path, line)
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self._build(item, (*path, place)) for place, item in enumerate(node.value)]
        return self._scalar(node, line)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = self._scalar(key_node, line) if isinstance(key_node, yaml.ScalarNode) else None
            if key is None or isinstance(key, float):
                raise YamlError(line, _("A name must be plain text; “<<” and nested names are not read."))
            if key in found:
                raise YamlError(line, _("“%(name)s” stands here twice: keep one of them.") % {"name": str(key)[:60]})
            name = key if isinstance(key, str) else str(key)
            self.lines[(*path, name)] = line
            found[key] = self._build(value_node, (*path, name))
        return found

    def _scalar(self, node: yaml.Node, line: int) -> Any:
        if node.tag in _TEXT_TAGS:
            return node.value
        if node.tag not in _PLAIN_TAGS:
            if node.tag == "tag:yaml.org,2002:merge":
                return None
            raise YamlError(line, _("The tag “%(tag)s” is not read here: write plain values.") % {"tag": node.tag[:60]})
        if "\0" in node.value:  # "\0" in quotes: PostgreSQL stores no such text
            raise YamlError(line, _("The file contains a character that YAML does not allow."))
        try:
            return self.loader.construct_object(node)
        except (ValueError, yaml.YAMLError):
            raise YamlError(
                line, _("“%(text)s” can't be read: put it in quotes.") % {"text": str(node.value)[:40]}
            ) from None
