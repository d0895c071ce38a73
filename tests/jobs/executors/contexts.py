"""A context as the engine would give it, with a script runner that starts a plain process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jobs.executors import KINDS
from jobs.executors.base import Context, Outcome


class Log:
    def __init__(self) -> None:
        self.text = ""

    def __call__(self, text: str, stream: str = "stdout") -> None:
        self.text += text


def run_plain(argv: tuple[str, ...], env: Mapping[str, str], cwd: Path, *, memory_limit: int | None = None) -> Outcome:
    done = subprocess.run(argv, env={**env, "PATH": os.defpath}, cwd=cwd, capture_output=True, timeout=20, check=False)
    reason = (done.stdout + done.stderr).decode()
    return Outcome(exit_code=done.returncode, reason=reason)


def no_datasource(slug: str) -> Any:
    raise AssertionError(slug)


def context_for(kind: str, params: Mapping[str, Any], work_dir: Path, **changes: Any) -> Context:
    callbacks: list[Callable[[], None]] = []
    values: dict[str, Any] = {
        "tenant": "acme",
        "job": "report",
        "run_id": 7,
        "attempt": 1,
        "params": KINDS.get(kind).Params.model_validate(params),
        "run_params": {},
        "environment": {},
        "work_dir": work_dir / "work",
        "timeout": None,
        "deadline": None,
        "log": Log(),
        "run_script": run_plain,
        "datasource": no_datasource,
        "on_cancel": callbacks.append,
    }
    return Context(**{**values, **changes})


def run(kind: str, params: Mapping[str, Any], work_dir: Path, **changes: Any) -> tuple[Outcome, str]:
    """The outcome, and what the log says."""
    context = context_for(kind, params, work_dir, **changes)
    outcome = KINDS.get(kind).run(context)
    return outcome, context.log.text  # type: ignore[attr-defined]
