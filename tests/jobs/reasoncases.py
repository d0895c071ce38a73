"""`@brings_about(code, …)`: a test that makes the engine give a reason, and what each reason must be able to do."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import translation

from jobs import advice, reasons
from jobs.models import Attempt, Run
from jobs.reasons import SENTENCES
from jobs.states import ReasonCode, WaitReason

Code = ReasonCode | WaitReason
LANGUAGES = ("en", "zh-hans")


def brings_about(*codes: Code) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """After the test, the ledger must hold each code, with a sentence of ours that reads well in every language."""

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(test)
        def checked(*args: Any, **kwargs: Any) -> Any:
            test(*args, **kwargs)
            for code in codes:
                check_told(code)

        marked: Callable[..., Any] = pytest.mark.brings_about(*codes)(checked)
        return marked

    return decorate


def check_told(code: Code) -> None:
    rows = rows_with(code)
    assert rows, f"no row says {code!r}"
    # While it waits for the next try, a run keeps the words of the last one.
    if code != WaitReason.RETRY_BACKOFF:
        assert any(reads_well(row) for row in rows), [(row.reason, row.reason_args) for row in rows]
    known = advice.for_wait if isinstance(code, WaitReason) else advice.for_reason
    check_languages([in_language(language, lambda: known(code)) for language in LANGUAGES])
    check_languages([in_language(language, lambda: str(type(code)(code).label)) for language in LANGUAGES])


def rows_with(code: Code) -> list[Any]:
    if isinstance(code, WaitReason):
        return list(Run.objects.filter(wait_reason=code))
    return [*Run.objects.filter(reason_code=code), *Attempt.objects.filter(reason_code=code)]


def reads_well(row: Any) -> bool:
    """Whether its sentence is ours (not somebody else's words); then it must be there in every language."""
    if "key" in row.reason_args:
        assert row.reason_args["key"] in SENTENCES
    elif "msgid" not in row.reason_args:
        return False
    check_languages([in_language(language, lambda: reasons.of(row)) for language in LANGUAGES])
    return True


def in_language(language: str, words: Callable[[], str]) -> str:
    with translation.override(language):
        return words()


def check_languages(told: list[str]) -> None:
    english, chinese = told
    assert english
    assert not has_chinese(english), english
    assert has_chinese(chinese), f"not translated: {english}"
    assert "%(" not in english + chinese


def has_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)
