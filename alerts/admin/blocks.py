"""Fields of a pydantic model inside a model form, under a prefix: "policy_needed_count"."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from django import forms
from django.core.exceptions import ValidationError
from pydantic import BaseModel

from portal.lib.fielderrors import FieldError
from portal.lib.paramforms import by_field, form_fields, given, parse

M = TypeVar("M", bound=BaseModel)
Change = Callable[[str, forms.Field], None]


class Block(Generic[M]):
    """`left_out` are fields of the model that the form has not, or has under another name."""

    def __init__(
        self, prefix: str, model: type[M], *, leave_out: Iterable[str] = (), change: Change | None = None
    ) -> None:
        self.prefix, self.model, self.change = prefix, model, change
        self.left_out = frozenset(leave_out)

    def name(self, name: str) -> str:
        return f"{self.prefix}_{name}"

    @property
    def names(self) -> list[str]:
        """Of the form's fields, in the model's order."""
        return [self.name(name) for name in self.model.model_fields if name not in self.left_out]

    def fields(self) -> dict[str, forms.Field]:
        """For the class body of a form. None is required there: the model says what is missing."""
        found = {}
        for name, field in form_fields(self.model).items():
            if name in self.left_out:
                continue
            field.required = False
            if self.change is not None:
                self.change(name, field)
            found[self.name(name)] = field
        return found

    def initial(self, values: Mapping[str, Any] | None) -> dict[str, Any]:
        return {self.name(name): value for name, value in (values or {}).items() if name not in self.left_out}

    def given(self, form: forms.BaseForm) -> dict[str, Any]:
        """What was filled in, for a service to judge."""
        return given(self.model, self._cleaned(form))

    def blame(self, form: forms.BaseForm, errors: Iterable[FieldError]) -> None:
        """What the service says against it, at the fields; the paths are those of the model."""
        for name, messages in by_field(list(errors)).items():
            place = self.name(name)
            form.add_error(place if place in form.fields else None, messages)

    def read(self, form: forms.BaseForm) -> M | None:
        """The model of what was filled in; None after saying at the fields what is wrong."""
        if any(name in form.errors for name in self.names):
            return None
        try:
            return parse(self.model, self._cleaned(form))
        except ValidationError as error:
            for name, messages in error.message_dict.items():
                place = self.name(name)
                form.add_error(place if place in form.fields else None, messages)
            return None

    def _cleaned(self, form: forms.BaseForm) -> dict[str, Any]:
        return {name: form.cleaned_data.get(self.name(name)) for name in self.model.model_fields}

    def forget(self, form: forms.BaseForm) -> None:
        """What stands in a hidden block is of no interest."""
        for name in self.names:
            form.errors.pop(name, None)
