"""What can't be undone or counted is told before anything runs."""

import pytest

from datasources.hazards import Sort, hazards_of
from datasources.lexer import split

CASES = [
    ("postgres", "update t set a = 1", None),
    ("postgres", "with x as (delete from t returning 1) select * from x", None),
    ("postgres", "create table t (a int)", None),
    ("postgres", "commit", Sort.COMMITS),
    ("postgres", "COMMIT AND CHAIN", Sort.COMMITS),
    ("postgres", "abort", Sort.COMMITS),
    ("postgres", "/* a */ End -- b", Sort.COMMITS),
    ("postgres", "rollback and chain", Sort.COMMITS),
    ("postgres", "rollback", None),
    ("postgres", "rollback to savepoint a", None),
    ("postgres", "begin", None),
    ("postgres", "begin isolation level serializable", Sort.COMMITS),
    ("postgres", "prepare transaction 'x'", Sort.COMMITS),
    ("postgres", "copy t to program 'x'", Sort.OUTSIDE),
    ("postgres", "copy t from stdin", None),
    ("postgres", "truncate t", Sort.UNCOUNTED),
    ("postgres", "drop table t", Sort.UNCOUNTED),
    ("postgres", "do $$ begin truncate t; end $$", Sort.UNCOUNTED),
    ("sqlite", "drop table t", Sort.UNCOUNTED),
    ("sqlite", "end transaction", Sort.COMMITS),
    ("sqlite", "delete from t", None),
    ("mysql", "delete from t", None),
    ("mysql", "delete from MyIsAm", Sort.NOT_TRANSACTIONAL),
    ("mysql", "insert into x.`myisam` values (1)", Sort.NOT_TRANSACTIONAL),
    ("mysql", "select * from myisam", None),
    ("mysql", "insert into t values ('myisam')", None),
    ("mysql", "drop table t", Sort.COMMITS),
    ("mysql", "create temporary table x (a int)", None),
    ("mysql", "create table x (a int)", Sort.COMMITS),
    ("mysql", "truncate t", Sort.COMMITS),
    ("mysql", "call p()", Sort.COMMITS),
    ("mysql", "lock tables t write", Sort.COMMITS),
    ("mysql", "set @a = 1", None),
    ("mysql", "set autocommit = 1", Sort.COMMITS),
    ("mysql", "SET GLOBAL read_only = 0", Sort.COMMITS),
    ("mysql", "start transaction read write", Sort.COMMITS),
    ("mysql", "/*!50000 drop table t */", Sort.COMMITS),
    ("mysql", "delete /*! from t */ from t", Sort.COMMITS),
    ("mysql", "select 1 into outfile '/tmp/x'", Sort.OUTSIDE),
    ("mysql", "load data infile 'x' into table t", None),
    ("mysql", "load index into cache t", Sort.COMMITS),
    ("mysql", "delimiter //\nbegin not atomic commit; end//", Sort.COMMITS),
]


@pytest.mark.parametrize(("kind", "sql", "sort"), CASES)
def test_each_statement_is_judged(kind, sql, sort):
    found = hazards_of(split(sql, kind), kind, frozenset({"myisam"}))
    assert [hazard.sort for hazard in found] == ([sort] if sort else [])


def test_a_hazard_names_its_line_and_verb():
    (hazard,) = hazards_of(split("select 1;\n\ntruncate t", "postgres"), "postgres")
    assert (hazard.line, hazard.what, hazard.is_lasting) == (3, "TRUNCATE", False)
    assert hazard.sentence.startswith("TRUNCATE")
