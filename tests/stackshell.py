"""A Django shell that stays: reads code as JSON lines, answers with what it printed. `Stack.shell` talks to it."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import traceback

import django


def main() -> None:
    answers = sys.stdout
    sys.stdout = sys.stderr
    django.setup()
    from django.db import connections

    for line in sys.stdin:
        printed = io.StringIO()
        answer: dict[str, str] = {}
        try:
            with contextlib.redirect_stdout(printed):
                exec(json.loads(line), {"__name__": "__stack__"})
        except (Exception, SystemExit):
            answer["error"] = traceback.format_exc()
        connections.close_all()  # the next command may find another server
        answers.write(json.dumps(answer | {"printed": printed.getvalue()}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
