"""Reasons in words, for each reader's own language: a row keeps the key of a sentence and its arguments. PURE.

`reason` of a row is the sentence in the portal's language, for exports and for text that has no key (a script's own
error message). `reason_args` is {"key": <key of SENTENCES>, <argument>: <JSON value>, …}, or {} for such text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from jobs.states import ReasonCode

LONGEST = 500

# Key → sentence with %(named)s places. A key is "<reason or wait code>" or "<code>.<case>".
SENTENCES = {
    "overlap": _("Run #%(run)s of this job has not ended."),
}


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why something happened to a run: `code` for machines, `key` and `args` for people, or `words` as they are."""

    code: str = ReasonCode.NONE
    key: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    words: str = ""

    @property
    def text(self) -> str:
        """The sentence in the active language, cut to what a row holds."""
        return render(self.words, {"key": self.key, **self.args} if self.key else {})[:LONGEST]

    def columns(self) -> dict[str, Any]:
        """The three columns of a run, an attempt or an event."""
        args = {"key": self.key, **self.args} if self.key else {}
        return {"reason_code": self.code, "reason": self.text, "reason_args": args}


def say(code: str, key: str = "", /, **args: Any) -> Reason:
    """The reason with a sentence of SENTENCES; the key is the code's own unless given."""
    return Reason(code=code, key=key or code, args=args)


def quote(code: str, words: str) -> Reason:
    """The reason with somebody else's words: a script's message, an exception's text."""
    return Reason(code=code, words=words)


def render(text: str, args: Mapping[str, Any]) -> str:
    """The stored reason in the active language; the stored text when its sentence is not known (any more)."""
    sentence = SENTENCES.get(str(args.get("key", "")))
    if sentence is None:
        return text
    try:
        return str(sentence) % args
    except (KeyError, TypeError, ValueError):
        return text or gettext("The reason could not be read.")
