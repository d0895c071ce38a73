"""Sentences: stored once, read in any language."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone, translation

from alerts.wording import SENTENCES, render, say
from portal.lib.said import said


class Anything(dict):
    """Fits every place of a sentence."""

    def __missing__(self, name):
        return 2


@pytest.mark.parametrize("key", SENTENCES)
def test_every_sentence_is_in_both_languages(key):
    texts = []
    for language in ("en", "zh-hans"):
        with translation.override(language):
            texts.append(str(SENTENCES[key] % Anything()))
    assert texts[0] != texts[1]
    assert any("\u4e00" <= letter <= "\u9fff" for letter in texts[1]) or key in {"baseline.and", "incident.opened"}


def test_a_stored_sentence_is_read_in_the_readers_language_and_zone():
    at = datetime(2026, 11, 21, 9, tzinfo=UTC)
    stored = say("changed.column", column="x", last_at=at).stored
    assert stored == {"key": "changed.column", "column": "x", "last_at": "2026-11-21T09:00:00+00:00"}
    with timezone.override("Asia/Shanghai"):
        assert render(stored) == "“x” is not what it was at 2026-11-21 17:00:00 Asia/Shanghai."


def test_sentences_may_hold_sentences_lengths_of_time_and_those_of_other_layers():
    age = say(
        "freshness.age",
        column="x",
        newest_at=datetime(2026, 1, 1, tzinfo=UTC),
        age_seconds=timedelta(minutes=90),
        limit_seconds=timedelta(hours=1),
    )
    assert "1h30m old; at most 1h" in age.text
    assert say("compared.no_earlier", when=say("compared.yesterday")).text.startswith("There is no value of the same")
    assert render(said("The statement was cancelled.").source) == "The statement was cancelled."
    assert render({"key": "overlap", "run": 12}) == "Run #12 of this job has not ended."


@pytest.mark.parametrize("stored", [None, {}, {"key": "gone"}, {"key": "changed.column"}])
def test_what_cannot_be_read_falls_back(stored):
    assert render(stored, "As it was.") == "As it was."
