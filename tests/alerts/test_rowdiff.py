"""Rows with an identity."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.rowdiff import diff, key_hash

COLUMNS = ("id", "amount")


def ids(rows):
    return [one.key[0] for one in rows]


def test_three_results_give_new_known_and_resolved_rows():
    first = diff((), COLUMNS, [[1, 5], [2, 5]], ["id"])
    second = diff(first.identities, COLUMNS, [[2, 99], [3, 5]], ["id"])
    third = diff(second.identities, COLUMNS, [[1, 5]], ["id"])
    assert (ids(first.new), first.still_there, first.resolved) == ([1, 2], (), ())
    assert (ids(second.new), ids(second.still_there), second.resolved) == ([3], [2], (key_hash([1]),))
    assert (ids(third.new), set(third.resolved)) == ([1], {key_hash([2]), key_hash([3])})
    assert second.still_there[0].row == (2, 99)
    assert second.sentence.text == "1 new, 1 known, 1 resolved"


KEYS = st.one_of(st.none(), st.integers(-3, 3), st.sampled_from(["1", "a", "é", "1.50"]), st.booleans())
RESULTS = st.lists(st.lists(st.tuples(KEYS, KEYS, st.integers(0, 9)), max_size=8), min_size=3, max_size=3)


def canonical(row):
    """As the rows' keys are told apart here, without hashes: a type and a value."""
    return tuple((type(cell).__name__, cell) for cell in row[:2])


@given(RESULTS)
def test_a_replay_of_three_results_gives_the_exact_diff(results):
    identities: frozenset[str] = frozenset()
    before: set = set()
    for rows in results:
        found = diff(identities, ("a", "b", "n"), rows, ["a", "b"])
        counts = Counter(canonical(row) for row in rows)
        assert {canonical(one.key): one.count for one in (*found.new, *found.still_there)} == counts
        assert {canonical(one.key) for one in found.new} == set(counts) - before
        assert {canonical(one.key) for one in found.still_there} == set(counts) & before
        gone = before - set(counts)
        assert set(found.resolved) == {key_hash([cell for _, cell in key]) for key in gone}
        assert not found.unseen
        identities, before = found.identities, set(counts)


def test_the_hash_of_a_key_stays_as_it_is():
    """Stored in rows: a change here would make every known row new."""
    assert key_hash(["a", 1, None, "é"]) == "9c04b304a1c56b08fb4da043ba56246d"
    assert key_hash([1]) == key_hash([1.0]) != key_hash(["1"])


def test_rows_of_one_key_are_one_row_and_it_is_said():
    found = diff((), COLUMNS, [[1, 5], [1, 6], [2, 5]], ["id"])
    assert [(one.key, one.count, one.row) for one in found.new] == [((1,), 2, (1, 5)), ((2,), 1, (2, 5))]
    assert [one.key for one in found.notes] == ["rows.duplicates"]


def test_null_is_a_key_like_another_and_it_is_said():
    first = diff((), COLUMNS, [[None, 5]], ["id"])
    second = diff(first.identities, COLUMNS, [[None, 5]], ["id"])
    assert (len(first.new), len(second.new), len(second.still_there)) == (1, 0, 1)
    assert [one.key for one in second.notes] == ["rows.null_key"]


@pytest.mark.parametrize(
    ("columns", "key", "problem"),
    [
        (("x", "amount"), ["id"], "rows.no_key_column"),
        (("id", "id"), ["id"], "rows.many_key_columns"),
        ((), ["id"], "rows.no_key_column"),
    ],
)
def test_without_its_key_column_nothing_is_known_and_nothing_resolved(columns, key, problem):
    before = diff((), COLUMNS, [[1, 5]], ["id"]).identities
    found = diff(before, columns, [[1, 5]] if columns else [], key)
    assert (found.problem and found.problem.key, found.new, found.resolved) == (problem, (), ())
    assert found.identities == before


def test_a_truncated_result_resolves_nothing():
    before = diff((), COLUMNS, [[1, 5], [2, 5]], ["id"]).identities
    found = diff(before, COLUMNS, [[2, 5], [3, 5]], ["id"], is_truncated=True)
    assert (ids(found.new), found.resolved, found.unseen) == ([3], (), (key_hash([1]),))
    assert [one.key for one in found.notes] == ["rows.truncated"]
    assert found.identities == before | {key_hash([3])}


def test_without_key_columns_the_whole_row_is_the_key_and_case_does_not_matter():
    assert diff((), COLUMNS, [[1, 5]], []).new[0].key == (1, 5)
    assert diff((), COLUMNS, [[1, 5]], ["ID"]).problem is None
