"""What Python and shell jobs share: the files and variables a script sees, and what it gives back."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pydantic import Field, field_validator

from jobs.executors.base import Context, ExecutorError, Log, Outcome, Params
from jobs.reasons import say
from jobs.states import ReasonCode
from portal.lib.paramtypes import Shown

MOST_OUTPUTS = 100
LONGEST_OUTPUT = 4000
OUTPUT_BYTES = 256 * 1024  # read at most
RESULT_BYTES = 512 * 1024
OUTPUT = "output.txt"
BLANK = ".script"  # a file that may lie ready for the script
_OUTPUT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")


class ScriptParams(Params):
    """A script and how it is started."""

    script: str  # each kind shows its own editor
    args: Annotated[
        list[str],
        Shown(
            label=gettext_lazy("Arguments"),
            help=gettext_lazy("One per line; the script finds them in this order."),
        ),
    ] = Field(default_factory=list, max_length=100)
    interpreter: str = Field(default="", max_length=300)
    memory_limit: Annotated[
        int | None,
        Shown(
            label=gettext_lazy("Memory limit (MiB)"),
            help=gettext_lazy(
                "The address space of each process. Empty: no limit. Java and Node reserve far more than they use."
            ),
        ),
    ] = Field(default=None, ge=32, le=4 * 1024 * 1024)

    @field_validator("script")
    @classmethod
    def _script_is_usable(cls, value: str) -> str:
        if not value.strip():
            raise ValueError(_("The script is empty: write at least one line."))
        size = len(value.encode("utf-8", "replace"))
        if size > settings.PORTAL_SCRIPT_MAX_BYTES:
            raise ValueError(
                _("The script is too large: %(size)s KB, at most %(limit)s KB are allowed.")
                % {"size": size // 1024 + 1, "limit": settings.PORTAL_SCRIPT_MAX_BYTES // 1024}
            )
        if "\0" in value:
            raise ValueError(_("The script contains a NUL character: upload a text file in UTF-8."))
        return value.replace("\r\n", "\n")

    @field_validator("interpreter")
    @classmethod
    def _interpreter_is_a_program(cls, value: str) -> str:
        value = value.strip()
        if value and ("\0" in value or any(c.isspace() for c in value) or ("/" in value and value[0] != "/")):
            raise ValueError(
                _(
                    "The interpreter must be a program's name or its whole path, such as "
                    "/usr/bin/python3; options go into the arguments."
                )
            )
        return value

    @field_validator("args")
    @classmethod
    def _args_can_be_passed(cls, value: list[str]) -> list[str]:
        if any("\0" in arg or len(arg) > 32_000 for arg in value):
            raise ValueError(_("An argument is too long or contains a NUL character."))
        return value


def find_interpreter(name: str) -> str:
    """The program's path on this machine, or an empty string."""
    return shutil.which(name) or ""


def need_interpreter(name: str) -> str:
    path = find_interpreter(name)
    if not path:
        raise ExecutorError(say(ReasonCode.MISSING_DRIVER, "missing_driver.interpreter", name=name))
    return path


def write_script(context: Context, name: str, text: str) -> Path:
    """The script in the attempt's own folder, readable by the attempt alone."""
    path = context.work_dir / name
    try:
        context.work_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            os.rename(context.work_dir / BLANK, path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise ExecutorError(say(ReasonCode.DISK_FULL, "disk_full.prepare")) from None
        cause = error.strerror or str(error)
        raise ExecutorError(say(ReasonCode.CANNOT_START, "cannot_start.script_not_written", cause=cause)) from None
    return path


def variables(context: Context, *, output: Path, result: Path) -> dict[str, str]:
    """What the script finds in its environment. The user's variables can't replace the portal's."""
    given = {name: value for name, value in context.run_params.items() if value is not None}
    return {
        **context.environment,
        "PORTAL_RUN_ID": str(context.run_id),
        "PORTAL_ATTEMPT": str(context.attempt),
        "PORTAL_JOB": context.job,
        "PORTAL_TENANT": context.tenant,
        "PORTAL_SCHEDULED_FOR": context.scheduled_for.isoformat()
        if context.scheduled_for
        else context.environment.get("PORTAL_SCHEDULED_FOR", ""),
        "PORTAL_PARAMS": json.dumps(given, ensure_ascii=False),
        **{f"PORTAL_PARAM_{name.upper()}": variable_text(value) for name, value in given.items()},
        "PORTAL_OUTPUT": str(output),
        "PORTAL_RESULT": str(result),
    }


def variable_text(value: Any) -> str:
    """True is "true": what a shell script compares with."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def run_script(context: Context, argv: tuple[str, ...]) -> Outcome:
    """Run, then read what the script left in $PORTAL_OUTPUT and $PORTAL_RESULT."""
    output, result = context.work_dir / OUTPUT, context.work_dir / "result.json"
    output.touch(mode=0o600)
    env = variables(context, output=output, result=result)
    limit = context.params.memory_limit
    outcome = context.run_script(argv, env, context.work_dir, memory_limit=limit)
    return replace(outcome, outputs=read_outputs(output, context.log), result=read_result(result))


def read_outputs(path: Path, log: Log) -> dict[str, str]:
    """`name=value` lines; a name written twice keeps its last value. What can't be used is told in the log."""
    outputs: dict[str, str] = {}
    for number, line in enumerate(_read(path, OUTPUT_BYTES).splitlines(), start=1):
        name, equals, value = line.partition("=")
        name = name.strip()
        if not line.strip():
            continue
        problem = _problem(name, equals, value, outputs)
        if problem:
            log(
                _("Output line %(number)d was ignored: %(problem)s") % {"number": number, "problem": problem},
                "system",
            )
        else:
            outputs[name] = value[:LONGEST_OUTPUT]
    return outputs


def _problem(name: str, equals: str, value: str, outputs: Mapping[str, str]) -> str:
    if not equals or not _OUTPUT_NAME.fullmatch(name):
        return _("write name=value, with letters, digits and underscores in the name.")
    if name not in outputs and len(outputs) >= MOST_OUTPUTS:
        return _("a run keeps at most %(limit)d outputs.") % {"limit": MOST_OUTPUTS}
    if len(value) > LONGEST_OUTPUT:
        return _("a value has at most %(limit)d characters.") % {"limit": LONGEST_OUTPUT}
    return ""


def read_result(path: Path) -> Any:
    """The return value of execute_task() that the bootstrap recorded; None when there is none."""
    text = _read(path, RESULT_BYTES)
    if not text:
        return None
    try:
        return {"return_value": json.loads(text)}
    except ValueError:
        return {"return_value": text[:LONGEST_OUTPUT]}


def _read(path: Path, limit: int) -> str:
    """The script may have put anything there: follows no link, waits for no pipe, reads no more than the limit."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(limit).decode("utf-8", "replace").replace("\0", "�") if path.is_file() else ""
    except OSError:
        return ""
