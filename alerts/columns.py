"""Settings as a row's JSON columns keep them, judged by their models. Errors say where: "policy.repeat_every"."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from pydantic import BaseModel, ValidationError

from portal.lib.fielderrors import FieldError, field_errors


def json_of(model: BaseModel) -> dict[str, Any]:
    """As a row keeps it: what equals its default is left out, so that a better default reaches old rows too."""
    return model.model_dump(mode="json", exclude_defaults=True)


def kept(model: type[BaseModel], given: Mapping[str, Any], column: str) -> tuple[dict[str, Any], list[FieldError]]:
    """What the column keeps of these settings, and what speaks against them; of refused ones it keeps nothing."""
    try:
        return json_of(model.model_validate(dict(given))), []
    except ValidationError as error:
        return {}, [found.under(column) for found in field_errors(error)]


def unknown(names: Sequence[str], known: Collection[str], column: str) -> list[FieldError]:
    """Those of the names that are no choice."""
    words = _("Choose one of: %(choices)s.") % {"choices": ", ".join(known)}
    return [
        FieldError(path=f"{column}[{place}]", message=words) for place, name in enumerate(names) if name not in known
    ]
