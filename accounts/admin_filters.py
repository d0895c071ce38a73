"""List filters that never name a row the user may not see."""

from typing import Any

from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import RelatedDropdownFilter

from accounts.admin_scope import scoped_related


class ScopedRelatedFilter(RelatedDropdownFilter):  # type: ignore[misc]
    """A filter on a relation: `list_filter = [("job", ScopedRelatedFilter)]`. At most `limit` choices are offered."""

    limit = 200

    def field_choices(self, field: Any, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        rows: QuerySet[Model] = scoped_related(request, field.related_model)
        ordering = self.field_admin_ordering(field, request, model_admin)
        if ordering:
            rows = rows.order_by(*ordering)
        return [(row.pk, str(row)) for row in rows[: self.limit]]

    def has_output(self) -> bool:
        return bool(self.lookup_choices) or self.include_empty_choice


def is_relation_filter_scoped(item: Any, field: "Field[Any, Any] | None") -> bool:
    """Whether an entry of `list_filter` on this field can't list foreign rows."""
    if field is None or not field.is_relation:
        return True
    return isinstance(item, list | tuple) and isinstance(item[1], type) and issubclass(item[1], ScopedRelatedFilter)
