"""The demo's definitions files, filled in: language, folders, port and moments."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from jobs.yamlfile.bundles import Bundle, read_bundle
from jobs.yamlfile.reader import read_yaml
from jobs.yamlfile.writer import dump

FOLDER = Path(__file__).parent
_MOMENT = re.compile(r"\{now\+(\d+)\}")


def demo_bundle(name: str, *, language: str, now: datetime, port: str, csv_folder: Path) -> Bundle:
    """The file `name` as `apply` would read it."""
    content = read_yaml((FOLDER / name).read_bytes()).value
    places = {"{csv}": str(csv_folder), "{port}": port}
    filled = _filled(content, "zh" if language.startswith("zh") else "en", places, now)
    return read_bundle(dump(filled).encode(), name=name, folder=FOLDER)


def _filled(value: Any, language: str, places: dict[str, str], now: datetime) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"en", "zh"}:
            return value[language]
        return {key: _filled(item, language, places, now) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, language, places, now) for item in value]
    if not isinstance(value, str):
        return value
    for place, text in places.items():
        value = value.replace(place, text)
    return _MOMENT.sub(lambda match: _moment(now, int(match[1])), value)


def _moment(now: datetime, seconds: int) -> str:
    return (now + timedelta(seconds=seconds)).replace(microsecond=0).isoformat()
