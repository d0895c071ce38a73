"""Statements that look harmless to one reader and are not to another."""

import pytest

from datasources.sqlguard import GuardError, check_select
from tests.datasources.hostile import KINDS, statements

FINE = {
    "postgres": [
        "select count(*), max(a)::text from t where b like '%x%' group by c having count(*) > 1 order by 1 limit 5",
        "with x as (select 1 as a union all select 2) select a, row_number() over (order by a) from x;",
        "select a->>'k', b #>> '{a,b}', now() - interval '1 day', date_trunc('day', ts at time zone 'utc') from t",
        "select 'insert into t; -- /* drop */', $$it's$$, e'a\\'b' -- a comment",
        "(select 1) union (select 2)",
        "select 1 /* /* */ ; drop table t; */",  # all of it is one nested comment
        "select * from generate_series(1, 10) g left join lateral (select g * 2) x on true",
        'select "odd name;" from "a;b"',
        "select array_agg(distinct x order by x) filter (where x > 1) from t",
        "select percentile_cont(0.5) within group (order by x) from t",
        "select string_agg(n, ',') from t where a = any(array[1,2]) and b is not distinct from null",
    ],
    "mysql": [
        "select date_format(now(), '%Y-%m'), ifnull(a, 0), group_concat(b separator ';') from t group by 1 -- c",
        "select `a b`, 'it\\'s', \"x\" from t where c regexp '^a' limit 5, 10 # comment",
        "select 1 - -1, 2--1",
        "select timestampdiff(day, a, b), cast(c as unsigned), json_extract(d, '$.x') from t",
        "select @@version, database(), inet_ntoa(1)",
    ],
    "sqlite": [
        "select strftime('%Y', d), printf('%.2f', x), [a b] from t where a glob 'x*'",
        "with recursive c(x) as (select 1 union all select x + 1 from c where x < 5) select x from c",
        "select json_extract(a, '$.b'), iif(a, 1, 2), total(x) from t, json_each(t.a)",
    ],
}


@pytest.mark.parametrize(
    ("kind", "sql"), [(kind, each.sql) for kind in KINDS for each in statements(kind) if not each.passes_guard]
)
def test_hostile_statement_is_refused(kind, sql):
    with pytest.raises(GuardError):
        check_select(sql, kind)


@pytest.mark.parametrize(("kind", "sql"), [(kind, sql) for kind, found in FINE.items() for sql in found])
def test_honest_select_is_allowed(kind, sql):
    check_select(sql, kind)


def test_deeply_nested_statement_is_refused_in_words():
    with pytest.raises(GuardError):
        check_select("select " + "(" * 20000 + "1" + ")" * 20000, "postgres")


def test_unknown_kind_is_refused():
    with pytest.raises(GuardError):
        check_select("select 1", "oracle")
