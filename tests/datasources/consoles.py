"""What the tests of the console share: a datasource of the cast's tenant, and questions."""

from __future__ import annotations

from typing import Any

from datasources import connections
from datasources.console import Question
from datasources.models import DataSource
from datasources.states import QueryMode

# Longer than any test waits, and a SELECT that the guard lets through.
HEAVY = {
    "postgres": "select count(*) from generate_series(1, 300000) a, generate_series(1, 300000) b",
    "mysql": "select count(*) from seq_1_to_300000 a, seq_1_to_300000 b",
    "sqlite": "with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) from c",
}
TEN_MILLION = {
    "postgres": "select n, 'row ' || n from generate_series(1, 10000000) n",
    "mysql": "select seq, concat('row ', seq) from seq_1_to_10000000",
    "sqlite": (
        "with recursive c(n) as (select 1 union all select n + 1 from c where n < 10000000) "
        "select n, 'row ' || n from c"
    ),
}


def source_of(tenant: Any, target: Any, **fields: Any) -> DataSource:
    """The target as a row; writable, with a limit of five rows, unless said otherwise."""
    values = {"slug": "shop", "name": "Shop", "is_read_only": False, "max_affected_rows": 5, **fields}
    row = DataSource(tenant=tenant, kind=target.kind, **values)
    return connections.save_datasource(row, actor=None, params=dict(target.params), password=target.password)


def question(source: DataSource, text: str, mode: QueryMode = QueryMode.READ, **fields: Any) -> Question:
    return Question(source=source, text=text, mode=mode, **fields)
