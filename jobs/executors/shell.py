"""Shell jobs."""

from __future__ import annotations

import os
import subprocess
from typing import Annotated

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field

from jobs.executors.base import KINDS, Context, Executor, Outcome
from jobs.executors.script import ScriptParams, find_interpreter, need_interpreter, run_script, write_script
from portal.lib.paramtypes import Shown

SYNTAX_SECONDS = 5
CHECKABLE = {"bash", "sh", "dash", "ash", "ksh", "zsh"}  # these know -n: read, don't run


class ShellParams(ScriptParams):
    """A shell script."""

    script: Annotated[
        str,
        Shown(
            label=gettext_lazy("Script"),
            help=gettext_lazy("What the script prints is the run's log; its exit code is the run's result."),
            editor="shell",
            upload=".sh",
        ),
    ]
    interpreter: Annotated[
        str,
        Shown(label=gettext_lazy("Interpreter"), help=gettext_lazy("Empty: bash, or sh where there is no bash.")),
    ] = Field(default="", max_length=300)


def default_shell() -> str:
    return "/bin/bash" if os.access("/bin/bash", os.X_OK) else "/bin/sh"


def syntax_problem(params: ShellParams) -> str:
    """A sentence when this machine's shell can't read the script, or an empty string. Runs nothing of it."""
    shell = find_interpreter(params.interpreter or default_shell())
    if not shell or os.path.basename(shell) not in CHECKABLE:
        return ""
    try:
        done = subprocess.run(
            [shell, "-n"],
            input=params.script.encode("utf-8", "replace"),
            capture_output=True,
            timeout=SYNTAX_SECONDS,
            check=False,
            env={"LC_ALL": "C", "PATH": os.defpath},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    if done.returncode == 0:
        return ""
    return _("The script has a syntax error: %(cause)s") % {"cause": _first_line(done.stderr, shell)}


def _first_line(errors: bytes, shell: str) -> str:
    lines = errors.decode("utf-8", "replace").strip().splitlines() or [""]
    return lines[0].removeprefix(f"{shell}: ")[:200]


@KINDS.register
class ShellExecutor(Executor):
    kind = "shell"
    label = gettext_lazy("Shell script")
    icon = "terminal"
    Params = ShellParams

    def run(self, context: Context) -> Outcome:
        params: ShellParams = context.params
        shell = need_interpreter(params.interpreter or default_shell())
        script = write_script(context, "script.sh", params.script)
        return run_script(context, (shell, str(script), *params.args))
