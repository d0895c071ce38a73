"""Statements that look harmless to one reader and are not to another."""

import pytest

from datasources.sqlguard import GuardError, check_select

ANY = [
    "insert into t values (1)",
    "update t set a = 1",
    "delete from t",
    "drop table t",
    "create table t (a int)",
    "truncate table t",
    "commit; insert into t values (1)",
    "select 1; select 2",
    "begin",
    "with x as (delete from t returning *) select * from x",
    "with x as (select 1) insert into t select * from x",
    "with x as (select 1) update t set a = 1",
    "select a into b from t",
    "select * from t for update",
    "explain analyze delete from t",
    "explain select 1",
    "grant all on t to public",
    "select my_function(1)",
    "select 'never closed",
    "",
    "-- only a comment",
    "call p()",
    "vacuum",
    "select * from (delete from t) x",
    "select 1 from t where exists (insert into t values (1))",
]
HOSTILE = {
    "postgres": [
        "copy t to program 'rm -rf /'",
        "copy (select 1) to '/tmp/x'",
        "select pg_read_file('/etc/passwd')",
        "select * from pg_read_file('/etc/passwd')",
        "select pg_catalog.pg_read_file('/etc/passwd')",
        """select "pg_read_file"('/etc/passwd')""",
        """select U&"pg\\005fread_file"('/etc/passwd')""",
        """select U&"pg!005fread_file"('/etc/passwd') UESCAPE '!'""",
        "select pg_ls_dir('.')",
        "select lo_export(1, '/tmp/x')",
        "select lo_import('/etc/passwd')",
        "select dblink('host=x', 'insert into t values (1)')",
        "select * from dblink_exec('insert into t values (1)')",
        "select set_config('transaction_read_only', 'off', false)",
        "set session characteristics as transaction read write",
        "set transaction_read_only = off",
        "select nextval('s')",
        "select setval('s', 1)",
        "select pg_sleep(100)",
        "select pg_terminate_backend(1)",
        "select pg_advisory_lock(1)",
        "select pg_notify('a', 'b')",
        "select query_to_xml('delete from t', true, true, '')",
        "select * from t for no key update",
        "select * from t for share",
        "do $$ begin delete from t; end $$",
        "prepare x as delete from t",
        "listen x",
        r"select 'a\'; drop table t; --'",
        "select 1 where $$'$$ = '; delete from t; --'; delete from t; --'",
        "table t; delete from t",
        "merge into t using s on true when matched then delete",
        "select coalesce((select lo_unlink(1)), 2)",
    ],
    "mysql": [
        "select /*!50000 load_file('/etc/passwd') */",
        "select 1 /*!, load_file('/etc/passwd') */",
        "/*!50000 delete from t */",
        "select 1 /*M!100000 , load_file('x') */",
        "select /*+ SET_VAR(max_execution_time=0) */ 1",
        "select /*+ max_execution_time(0) */ 1",
        "select load_file('/etc/passwd')",
        "select LOAD_FILE(0x2f6574632f706173737764)",
        "select `load_file`('/etc/passwd')",
        "select * from t into outfile '/tmp/x'",
        "select 'x' into dumpfile '/tmp/x'",
        "select 1 into @a",
        "select @a := 1",
        "select @@global.read_only := 0",
        "set session transaction read write",
        "set global read_only = 0",
        "select 1 --1, load_file('/etc/passwd')",
        "select 1 /* /* */, load_file('x') /* */",
        "select sleep(100)",
        "select benchmark(1000000000, md5('x'))",
        "select get_lock('a', 10)",
        "select * from t lock in share mode",
        "select nextval(s)",
        "select next value for s",
        "load data infile '/etc/passwd' into table t",
        "select sys_exec('id')",
        "handler t open",
        "do sleep(1)",
        "prepare x from 'delete from t'",
        "replace into t values (1)",
        "select master_pos_wait('a', 1)",
        "set statement max_statement_time=0 for select 1",
    ],
    "sqlite": [
        "attach 'x.db' as x",
        "detach x",
        "select load_extension('x.so')",
        "select readfile('/etc/passwd')",
        "select writefile('/tmp/x', 'y')",
        "select fts3_tokenizer('a', x'00')",
        "select edit('x', 'vi')",
        "pragma journal_mode = delete",
        "pragma writable_schema = 1",
        "vacuum into '/tmp/x'",
        "replace into t values (1)",
        "reindex",
        "analyze",
        "create trigger x after insert on t begin select 1; end",
        "savepoint x",
        "release x",
        "insert or ignore into t values (1) returning *",
        "select * from fsdir('/')",
        "select [load_extension]('x')",
        'select "load_extension"(1)',
        "with recursive x(a) as (values (1)) delete from t",
        "select * from pragma_table_info('t')",
        "select sqlite_compileoption_set('x')",
        "select 1 union select load_extension('x')",
        "values (load_extension('x'))",
    ],
}
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


@pytest.mark.parametrize("kind", list(HOSTILE))
@pytest.mark.parametrize("sql", ANY)
def test_what_is_no_single_select_is_refused(kind, sql):
    with pytest.raises(GuardError):
        check_select(sql, kind)


@pytest.mark.parametrize(("kind", "sql"), [(kind, sql) for kind, found in HOSTILE.items() for sql in found])
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
