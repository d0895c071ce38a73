"""From a time to an id: ids of runs and attempts grow with time, so the primary key is an index on time as well.

That costs about 24 probes of the primary key for ten million rows, and no index on a time column.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Min, Model

# Ids are handed out before a transaction commits, and by several beats and web processes at once.
SLACK = timedelta(minutes=10)


def id_before(model: type[Model], field: str, moment: datetime) -> int:
    """An id such that no row with a smaller one has `field` later than `moment` + SLACK; 0 when there is none.

    Rows just after it may be older than `moment`: a bound for a search, never the decision itself.
    """
    rows = model._default_manager.order_by()
    ends: dict[str, Any] = rows.aggregate(low=Min("pk"), high=Max("pk"))
    if ends["low"] is None:
        return 0
    low, high = ends["low"], ends["high"] + 1
    while low < high:
        middle = (low + high) // 2
        found = rows.filter(pk__gte=middle).order_by("pk").values_list("pk", field).first()
        if found is None or found[1] > moment:
            high = middle
        else:
            low = found[0] + 1
    return int(low)
