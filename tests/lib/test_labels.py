"""Labels as people write them."""

import pytest

from portal.lib.labels import label_lines, labels_of, parse_labels


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        (["team=payments", "urgent"], {"team": "payments", "urgent": ""}),
        (["team = payments "], {"team": "payments"}),
        (["a/b.c-d_e=x=y"], {"a/b.c-d_e": "x=y"}),
        (["team="], {"team": ""}),
        (["2024"], {"2024": ""}),
        (["团队=x"], None),
        (["team==x"], None),
        (["team=!x"], None),
        ([" =x"], None),
        (["two words"], None),
        (["team=a", "team=b"], None),
        ([f"l{n}" for n in range(51)], None),
        (["team=" + "x" * 201], None),
    ],
)
def test_lines_are_labels_or_refused_in_words(lines, labels) -> None:
    if labels is not None:
        assert parse_labels(lines) == labels
        return
    with pytest.raises(ValueError, match=r"[.:]"):
        parse_labels(lines)


def test_what_is_written_is_read_again() -> None:
    labels = {"team": "payments", "urgent": "", "tier": "1=2"}
    assert parse_labels(label_lines(labels)) == labels


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        ({"team": "payments", "tier": 1, "live": True, "urgent": None}, {"live": "true", "team": "payments",
                                                                          "tier": "1", "urgent": ""}),
        (["team=payments", "urgent"], {"team": "payments", "urgent": ""}),
        ({}, {}),
    ],
)  # fmt: skip
def test_a_file_may_write_them_as_names_or_as_lines(written, labels) -> None:
    assert labels_of(written) == labels


@pytest.mark.parametrize("written", ["team=payments", 5, {"team": ["a"]}, {"team": {"a": 1}}, {"!x": "y"}])
def test_other_things_are_no_labels(written) -> None:
    with pytest.raises(ValueError, match=r"[.:]"):
        labels_of(written)
