"""Python jobs: any script that prints; `execute_task()` is called when the script defines it."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Annotated

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, model_validator

from jobs import runner
from jobs.executors.base import KINDS, Context, Executor, Outcome
from jobs.executors.script import ScriptParams, need_interpreter, run_script, write_script
from portal.lib.fielderrors import refused
from portal.lib.paramtypes import Shown

BOOTSTRAP = Path(runner.__file__).parent / "bootstrap.py"


class PythonParams(ScriptParams):
    """A Python script."""

    script: Annotated[
        str,
        Shown(
            label=gettext_lazy("Script"),
            help=gettext_lazy("What the script prints is the run's log. It may define execute_task()."),
            editor="python",
            upload=".py",
        ),
    ]
    interpreter: Annotated[
        str,
        Shown(
            label=gettext_lazy("Interpreter"),
            help=gettext_lazy(
                "Empty: the portal's own Python. Otherwise a program on the worker, such as /usr/bin/python3."
            ),
        ),
    ] = Field(default="", max_length=300)

    @model_validator(mode="after")
    def _syntax_is_right(self) -> PythonParams:
        if not self.interpreter:  # another interpreter may speak another Python
            problem = syntax_problem(self.script)
            if problem:
                raise refused("script", problem)
        return self


def syntax_problem(script: str) -> str:
    """A sentence with line and column when Python can't compile the script, or an empty string."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(script, "script.py", "exec", dont_inherit=True)
    except SyntaxError as error:
        return _("The script has a syntax error on line %(line)s, column %(column)s: %(cause)s.") % {
            "line": error.lineno or 1,
            "column": error.offset or 1,
            "cause": error.msg,
        }
    except (ValueError, RecursionError, MemoryError, OverflowError):
        return _("Python can't compile this script: it is nested too deeply or is not text.")
    return ""


@KINDS.register
class PythonExecutor(Executor):
    kind = "python"
    label = gettext_lazy("Python script")
    icon = "code"
    Params = PythonParams

    def run(self, context: Context) -> Outcome:
        params: PythonParams = context.params
        interpreter = need_interpreter(params.interpreter) if params.interpreter else sys.executable
        script = write_script(context, "script.py", params.script)
        return run_script(context, (interpreter, "-u", str(BOOTSTRAP), str(script), *params.args))
