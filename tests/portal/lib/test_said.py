"""Sentences that can be said again."""

import json

from django.utils import translation

from portal.lib.said import Said, masked, said, say_again, source_of
from portal.messages.python_source import python_messages

WORDS = "There is no secret “%(name)s” in this tenant: create it."


def test_a_sentence_is_said_again_in_another_language():
    words = said(WORDS) % {"name": "KEY"}
    assert words == "There is no secret “KEY” in this tenant: create it."
    kept = json.loads(json.dumps(source_of(words)))
    with translation.override("zh-hans"):
        assert say_again(kept) == translation.gettext(WORDS) % {"name": "KEY"} != words


def test_an_exception_keeps_what_can_be_said_again():
    assert isinstance(str(ValueError(said(WORDS))), Said)


def test_a_sentence_inside_a_sentence_is_translated_too():
    words = said("Line %(line)d: %(cause)s") % {"line": 3, "cause": said("The statement was cancelled.")}
    with translation.override("zh-hans"):
        assert say_again(source_of(words)).endswith(translation.gettext("The statement was cancelled."))


def test_a_percent_sign_in_a_sentence_without_arguments_is_left_alone():
    assert say_again(said("100 % done").source) == "100 % done"


def test_masking_touches_arguments_and_never_the_sentence():
    words = said(WORDS) % {"name": "secret"}
    assert masked(words, lambda text: text.replace("secret", "•••")) == WORDS % {"name": "•••"}


def test_the_catalogue_finds_it_under_any_name():
    found = python_messages('from portal.lib.said import said as _\nwords = _("Some words.")\n')
    assert [message.msgid for message in found] == ["Some words."]
