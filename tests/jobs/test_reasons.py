"""Reasons: stored once, read in any language."""

from datetime import UTC, datetime

import pytest
from django.utils import timezone, translation

from jobs import reasons
from jobs.reasons import quote, render, say
from jobs.states import ReasonCode, WaitReason
from portal.lib.said import masked, said


def test_a_stored_reason_is_read_in_the_readers_language():
    stored = say(ReasonCode.OVERLAP, run=12).columns()
    assert stored["reason"] == "Run #12 of this job has not ended."
    with translation.override("zh-hans"):
        words = render(stored["reason"], stored["reason_args"])
    assert words == "此任务的运行 #12 尚未结束。"


def test_somebody_elses_words_stay_as_they_are():
    stored = quote(ReasonCode.SCRIPT_FAILED, "No such table: käse").columns()
    assert stored == {"reason_code": "script_failed", "reason": "No such table: käse", "reason_args": {}}
    with translation.override("zh-hans"):
        assert render(stored["reason"], stored["reason_args"]) == "No such table: käse"


def test_a_counted_sentence_has_its_plural():
    said_of = [say(ReasonCode.BUSINESS, "business.rows_came_back", count=n).text for n in (1, 2)]
    assert said_of == ["1 row came back where there should be none.", "2 rows came back where there should be none."]


def test_a_sentence_of_a_lower_layer_is_said_again_inside_ours():
    cause = said("The statement was cancelled.")
    stored = say(ReasonCode.BUSINESS, "any.at_line", line=3, cause=cause).columns()
    assert stored["reason"] == "Line 3: The statement was cancelled."
    assert stored["reason_args"]["cause"] == {"msgid": "The statement was cancelled."}
    with translation.override("zh-hans"):
        assert render("", stored["reason_args"]).endswith("语句已被取消。")


def test_a_time_is_shown_in_the_readers_zone():
    reasons.SENTENCES["overlap.test"] = "Since %(since_at)s."  # type: ignore[assignment]
    try:
        stored = say(WaitReason.OVERLAP, "overlap.test", since_at=datetime(2026, 1, 1, 12, tzinfo=UTC)).stored_args
        with timezone.override("Asia/Shanghai"):
            assert render("", stored) == "Since 2026-01-01 20:00:00."
    finally:
        del reasons.SENTENCES["overlap.test"]


@pytest.mark.parametrize("args", [{"key": "gone"}, {"key": "overlap"}, {"msgid": "%(a)s", "b": 1}, {}, None])
def test_a_reason_that_cannot_be_rendered_keeps_its_stored_text(args):
    assert render("As stored.", args) == "As stored."


def test_a_secret_in_an_argument_is_hidden_and_the_key_is_not():
    reason = say(ReasonCode.BUSINESS, "business.text_missing", text="overlap hunter2").masked(
        lambda text: text.replace("hunter2", "•••").replace("business", "•••")
    )
    assert reason.text == "The answer does not contain the expected text “overlap •••”."
    words = said("There is no secret “%(name)s” in this tenant: create it.") % {"name": "hunter2"}
    assert "hunter2" not in masked(words, lambda text: text.replace("hunter2", "•••"))


def test_a_huge_argument_is_cut():
    stored = say(ReasonCode.BUSINESS, "business.text_missing", text="x" * 10_000).columns()
    assert len(stored["reason"]) == 500
    assert len(stored["reason_args"]["text"]) == 500
