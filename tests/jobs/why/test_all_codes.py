"""What holds for every reason code and every wait reason: a test that brings it about, a sentence, advice, Chinese."""

import ast
import functools

import pytest

from jobs import advice
from jobs.reasons import SENTENCES
from jobs.states import ReasonCode, WaitReason
from tests import source
from tests.jobs.reasoncases import LANGUAGES, check_languages, in_language

R, W = ReasonCode, WaitReason
# Not produced by this version; whose part it is.
RESERVED = {
    "WaitReason.UPSTREAM": "workflows: a node that waits for those before it",
}
# Codes whose words come from elsewhere.
SAID_ELSEWHERE = {
    "ReasonCode.CONNECTION": "the HTTP client's and the datasources' own sentences",
    "WaitReason.TIME": "the run says what moved it: a calendar, or the schedule's spread",
    "WaitReason.RETRY_BACKOFF": "the run keeps the words of its last attempt",
}


ALL = [code for code in (*R, *W) if code]


def name_of(code):
    return f"{type(code).__name__}.{code.name}"


@functools.cache
def named_in_tests():
    """The arguments of every `@brings_about(…)` in the tests, read from the syntax trees: "WaitReason.TIME"."""
    short = {"R": "ReasonCode", "W": "WaitReason", "ReasonCode": "ReasonCode", "WaitReason": "WaitReason"}
    return {
        f"{short[argument.value.id]}.{argument.attr}"
        for path in sorted((source.ROOT / "tests").rglob("test_*.py"))
        if "brings_about(" in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "brings_about"
        for argument in node.args
        if isinstance(argument, ast.Attribute) and isinstance(argument.value, ast.Name)
    }


@pytest.mark.parametrize("code", ALL, ids=name_of)
def test_every_code_is_brought_about_by_a_test(code):
    is_tested = name_of(code) in named_in_tests()
    assert is_tested != (name_of(code) in RESERVED), "test it, or say in RESERVED whose it is; not both"


@pytest.mark.parametrize("code", ALL, ids=name_of)
def test_every_code_has_a_sentence_a_name_and_advice_in_both_languages(code):
    known = advice.for_wait if isinstance(code, W) else advice.for_reason
    check_languages([in_language(language, lambda: known(code)) for language in LANGUAGES])
    check_languages([in_language(language, lambda: str(code.label)) for language in LANGUAGES])
    if name_of(code) in RESERVED | SAID_ELSEWHERE:
        return
    assert any(key.partition(".")[0] == code.value for key in SENTENCES), "add its sentence to jobs.reasons"


@pytest.mark.parametrize("key", SENTENCES)
def test_every_sentence_belongs_to_a_code_and_is_in_both_languages(key):
    assert key.partition(".")[0] in {code.value for code in ALL} | {"any"}
    words = SENTENCES[key]
    check_sentence(words)


def check_sentence(words):
    values = Anything()
    check_languages([in_language(language, lambda: str(words % values)) for language in LANGUAGES])


class Anything(dict):
    """Fits every place of a sentence."""

    def __missing__(self, name):
        return 2
