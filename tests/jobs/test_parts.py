"""What the ends of the parts mean for the whole."""

import pytest

from jobs.parts import whole_of
from jobs.states import ReasonCode, RunStatus


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ({"succeeded": 3}, RunStatus.SUCCEEDED),
        ({"succeeded": 3, "business_failure": 1}, RunStatus.BUSINESS_FAILURE),
        ({"business_failure": 1, "technical_failure": 1}, RunStatus.TECHNICAL_FAILURE),
        ({"lost": 1, "timed_out": 1}, RunStatus.TIMED_OUT),
        ({"cancelled": 2, "lost": 1}, RunStatus.LOST),
        ({"succeeded": 2, "cancelled": 1}, RunStatus.CANCELLED),
        ({"succeeded": 2, "skipped": 1}, RunStatus.TECHNICAL_FAILURE),
    ],
)
def test_the_worst_part_speaks_for_the_whole(counts, status):
    whole = whole_of(counts)
    assert whole is not None
    assert whole.status == status


@pytest.mark.parametrize("counts", [{"queued": 1, "succeeded": 3}, {"running": 1}])
def test_it_has_not_ended_while_a_part_goes_on(counts):
    assert whole_of(counts) is None


def test_success_needs_no_reason_and_anything_else_counts_its_parts():
    fine = whole_of({"succeeded": 2})
    assert fine is not None
    assert fine.why is None
    worse = whole_of({"succeeded": 2, "technical_failure": 1, "lost": 1, "cancelled": 3})
    assert worse is not None
    why = worse.why
    assert why is not None
    assert why.code == ReasonCode.SHARDS_FAILED
    assert why.text == "Of 7 parts 2 succeeded, 2 failed and 3 did not run."
