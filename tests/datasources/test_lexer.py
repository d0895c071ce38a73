"""Scripts are cut where the database would cut them."""

import pytest

from datasources.lexer import Statement, bind, split, tokens

CASES = [
    ("postgres", "select 1; select 2;", ["select 1", "select 2"]),
    ("postgres", r"select 'a\'; drop table x; --'", [r"select 'a\'", "drop table x"]),
    ("postgres", r"select e'a\'; x'; select 2", [r"select e'a\'; x'", "select 2"]),
    ("mysql", r"select 'a\'; x'; select 2", [r"select 'a\'; x'", "select 2"]),
    ("mysql", 'select "a;b"; select `c;d`', ['select "a;b"', "select `c;d`"]),
    ("sqlite", 'select "a;b", [c;d]; select 2', ['select "a;b", [c;d]', "select 2"]),
    ("postgres", "select $$a;b$$; select $x$ $$;$$ $x$", ["select $$a;b$$", "select $x$ $$;$$ $x$"]),
    ("postgres", "select 1 /* a ; /* b ; */ c ; */; select 2", ["select 1 /* a ; /* b ; */ c ; */", "select 2"]),
    ("mysql", "select 1 /* a /* b */; select 2", ["select 1 /* a /* b */", "select 2"]),
    ("mysql", "select 1 # a ; b\n; select 2--1; -- c ;", ["select 1 # a ; b", "select 2--1"]),
    ("mysql", "/*!50000 select 1 */; select 2", ["/*!50000 select 1 */", "select 2"]),
    (
        "mysql",
        "select 0;\nDELIMITER $$\ncreate procedure p() begin select 1; select 2; end$$\ndelimiter ;\nselect 3;",
        ["select 0", "create procedure p() begin select 1; select 2; end", "select 3"],
    ),
    (
        "mysql",
        "delimiter //\nselect 'a//b'; select 1//\nselect 2//",
        ["select 'a//b'; select 1", "select 2"],
    ),
    (
        "sqlite",
        "create trigger t after insert on a begin update a set b = 1; delete from c; end; select 1",
        ["create trigger t after insert on a begin update a set b = 1; delete from c; end", "select 1"],
    ),
    (
        "postgres",
        "create function f() returns int begin atomic select case when a then 1 end; select 2; end; select 3",
        ["create function f() returns int begin atomic select case when a then 1 end; select 2; end", "select 3"],
    ),
    ("postgres", "begin; select 1; commit;", ["begin", "select 1", "commit"]),
    ("sqlite", " ;; -- nothing\n/* at all */;", []),
    ("sqlite", "select 'never closed; select 2", ["select 'never closed; select 2"]),
]


@pytest.mark.parametrize(("kind", "script", "expected"), CASES)
def test_script_is_split_by_the_rules_of_its_database(kind, script, expected):
    assert [statement.text for statement in split(script, kind)] == expected


def test_statements_know_their_line():
    assert split("select 1;\n\n  select 2;\nselect 3", "sqlite") == [
        Statement("select 1", 1),
        Statement("select 2", 3),
        Statement("select 3", 4),
    ]


@pytest.mark.parametrize("kind", ["postgres", "mysql", "sqlite"])
def test_no_character_is_lost(kind):
    sql = "select 'é', $1, \"x\", `y`, [z], $$q$$ -- c\n# d\n/* e */ ::int; 'open"
    assert "".join(token.text for token in tokens(sql, kind)) == sql


@pytest.mark.parametrize(
    ("sql", "expected", "unknown"),
    [
        ("select :a", "select :a", []),
        ("select ':a'", r"select '\:a'", []),
        ("select x::int, :a", r"select x\:\:int, :a", []),
        ("select 1 -- :a", r"select 1 -- \:a", []),
        ("select arr[1:n], :a", r"select arr[1\:n], :a", []),
        ("select :b", r"select \:b", ["b"]),
        ("""select '{"k":a}'""", r"""select '{"k"\:a}'""", []),
    ],
)
def test_only_given_names_outside_strings_are_parameters(sql, expected, unknown):
    assert bind(sql, "postgres", frozenset({"a"})) == (expected, unknown)
