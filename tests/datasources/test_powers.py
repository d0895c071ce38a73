"""What the role of a datasource may do: asked of real servers, judged, and mended with the statements we give."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from zlib import crc32

import psycopg2
import pymysql
import pytest

from datasources import powers
from datasources.drivers import DRIVERS
from datasources.drivers.mysql import powers_of
from datasources.powers import Held, Power, RoleReport
from datasources.query import Session
from tests.datasources.conftest import DATABASE

ROLE = f"powers_role_{crc32(DATABASE.encode())}"  # roles are of the whole server, and tests run side by side


def report(target, **change):
    session = Session(replace(target, **change), timeout=5, read_only=False, pooled=False)
    try:
        return session.describe()[1]
    finally:
        session.close()


def held(found):
    return {str(each.power) for each in found.held}


@pytest.mark.parametrize(
    ("grants", "expected"),
    [
        (["GRANT ALL PRIVILEGES ON *.* TO `root`@`%` WITH GRANT OPTION"], {"superuser", "define", "write"}),
        (["GRANT SELECT, SUPER ON *.* TO `a`@`%`"], {"superuser", "define", "write"}),
        (["GRANT USAGE ON *.* TO `a`@`%`", "GRANT SELECT ON `shop`.* TO `a`@`%`"], set()),
        (["GRANT FILE ON *.* TO `a`@`%`"], {"files", "others"}),
        (["GRANT SELECT, INSERT (`a`, `b`) ON `shop`.`t` TO `a`@`%`"], {"write"}),
        (["GRANT SELECT (`drop`) ON `shop`.`t` TO `a`@`%`"], set()),
        (["GRANT CREATE VIEW ON `shop`.* TO `a`@`%`"], {"define"}),
        (["GRANT EXECUTE ON PROCEDURE `shop`.`p` TO `a`@`%`"], {"write"}),
        (["GRANT SELECT ON `shop`.* TO `a`@`%` WITH GRANT OPTION"], {"roles"}),
        (["GRANT CREATE USER ON *.* TO `a`@`%`"], {"roles", "others"}),
        (["GRANT SELECT ON `mysql`.* TO `a`@`%`"], {"others"}),
        (["GRANT SELECT ON `sh\\_op`.* TO `a`@`%`"], {"others"}),
    ],
)
def test_the_lines_of_show_grants_are_understood(grants, expected):
    assert held(powers_of("a@%", grants, "shop")) == expected


def test_what_is_too_much_depends_on_what_the_datasource_is_for():
    write, files = Held(power=Power.WRITE), Held(power=Power.FILES)
    assert [write.is_warning(read_only=True), write.is_warning(read_only=False)] == [True, False]
    assert [files.is_warning(read_only=True), files.is_warning(read_only=False)] == [True, True]
    assert powers.advice(write, read_only=False) == ""
    assert "SELECT" in powers.advice(write, read_only=True)


@pytest.mark.parametrize("power", list(Power))
def test_every_power_has_a_sentence_and_advice(power):
    assert powers.sentence(Held(power=power)).endswith(".")
    assert powers.advice(Held(power=power), read_only=True).endswith(".")


def test_a_report_is_stored_and_read_back_worst_first():
    found = RoleReport(role="a", held=(Held.on(Power.WRITE, ["t"]), Held(power=Power.FILES)))
    again = RoleReport.of("a", [*found.as_json(), {"power": "of another version"}])
    assert [each.power for each in again.held] == [Power.FILES, Power.WRITE]
    assert again.held[1].names == ("t",)


def test_a_long_list_of_names_is_cut_visibly():
    names = Held.on(Power.WRITE, map(str, range(100))).names
    assert (len(names), names[-1]) == (powers.MOST_NAMES + 1, "…")


def test_a_file_that_may_be_written_is_a_note(sqlite_target):
    found = report(sqlite_target)
    assert held(found) == {"writable_file"}
    assert found.warnings(read_only=True) == []


@pytest.fixture
def postgres_role(postgres_target):
    """`give(*statements)` runs them as the superuser; the role is removed afterwards."""
    log_in = {name: postgres_target.params[name] for name in ("host", "port", "user")}

    def give(*statements):
        with closing(psycopg2.connect(**log_in, password=postgres_target.password, dbname=DATABASE)) as raw:
            raw.autocommit = True
            for sql in statements:
                raw.cursor().execute(sql)

    def drop():
        give(f"DROP SCHEMA IF EXISTS powers_other CASCADE; DROP TABLE IF EXISTS later;"
             f"DO $$ BEGIN IF EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{ROLE}') THEN"
             f" DROP OWNED BY {ROLE}; DROP ROLE {ROLE}; END IF; END $$")  # fmt: skip

    drop()
    yield give
    drop()


def as_role(target):
    return replace(target, params={**target.params, "user": ROLE}, password="choose-a-password", key="as-role")


def statements_for(target, *, read_only):
    sql = DRIVERS.get(target.kind).least_privilege(target.params, read_only=read_only)
    for name in ("portal_reader", "portal_writer"):
        sql = sql.replace(name, ROLE)
    return sql


@pytest.mark.services
def test_our_statements_make_a_postgres_role_that_may_read_and_no_more(postgres_target, postgres_role):
    postgres_role(statements_for(postgres_target, read_only=True))
    postgres_role("CREATE TABLE later (id int)")
    found = report(as_role(postgres_target))
    assert (found.role, found.held) == (ROLE, ())
    session = Session(as_role(postgres_target), timeout=5, read_only=True, pooled=False)
    assert session.execute("select count(*) from items, later", max_rows=1, max_bytes=1000).rows == [[0]]
    session.close()


@pytest.mark.services
def test_each_power_of_a_postgres_role_is_found(postgres_target, postgres_role):
    postgres_role(
        statements_for(postgres_target, read_only=True),
        f"ALTER ROLE {ROLE} CREATEROLE; GRANT pg_read_server_files, pg_execute_server_program TO {ROLE};"
        f"GRANT CREATE ON SCHEMA public TO {ROLE}; GRANT TRUNCATE ON items TO {ROLE};"
        f"CREATE SCHEMA powers_other; CREATE TABLE powers_other.t (a int);"
        f"GRANT USAGE ON SCHEMA powers_other TO {ROLE}; GRANT SELECT ON powers_other.t TO {ROLE}",
    )
    found = {str(each.power): each.names for each in report(as_role(postgres_target)).held}
    assert found == {
        "programs": ("pg_execute_server_program",),
        "files": ("pg_read_server_files",),
        "roles": ("CREATEROLE",),
        "define": ("public",),
        "write": ("public.items",),
        "others": ("powers_other",),
    }


@pytest.mark.services
def test_our_statements_make_a_mysql_user_that_may_read_and_no_more(mysql_target):
    log_in = {name: mysql_target.params[name] for name in ("host", "port", "user")}
    hosts = ("%", "localhost")
    with closing(pymysql.connect(**log_in, password=mysql_target.password, autocommit=True)) as raw:
        cursor = raw.cursor()
        try:
            for host in hosts:
                cursor.execute(f"DROP USER IF EXISTS {ROLE}@'{host}'")
                for sql in statements_for(mysql_target, read_only=True).replace("%", host).strip().split(";\n"):
                    cursor.execute(sql.rstrip(";"))
            assert report(as_role(mysql_target)).held == ()
            for host in hosts:
                cursor.execute(f"GRANT FILE ON *.* TO {ROLE}@'{host}'")
                cursor.execute(f"GRANT INSERT, DROP ON {DATABASE}.items TO {ROLE}@'{host}'")
            assert held(report(as_role(mysql_target))) == {"files", "define", "write", "others"}
        finally:
            for host in hosts:
                cursor.execute(f"DROP USER IF EXISTS {ROLE}@'{host}'")


@pytest.mark.services
@pytest.mark.parametrize("kind", ["postgres", "mysql"])
def test_a_superuser_is_said_to_be_one(request, kind):
    found = report(request.getfixturevalue(f"{kind}_target"))
    assert held(found) == {"superuser", "define", "write"}
    assert len(found.warnings(read_only=False)) == 1
