#!/usr/bin/env python3
"""Everything `make check` checks; runs all of it and says at the end what failed."""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = sys.executable


def production_environment() -> dict[str, str]:
    """Production as an operator would set it, with keys made for this check alone."""
    return dict(
        os.environ,
        PORTAL_ENVIRONMENT="production",
        SECRET_KEY=secrets.token_urlsafe(64),
        FIELD_ENCRYPTION_KEYS=base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        ALLOWED_HOSTS="portal.example.com",
        CSRF_TRUSTED_ORIGINS="https://portal.example.com",
        CELERY_BROKER_URL="redis://:not-used-here@broker.example.com:6379/0",
        LOG_LEVEL="WARNING",
    )


def steps() -> list[tuple[str, list[str], dict[str, str]]]:
    """(name, command, environment) of each check, the quick ones first."""
    plain = dict(os.environ, LOG_LEVEL="WARNING")
    manage = [PYTHON, "manage.py"]
    deploy = [*manage, "check", "--deploy", "--fail-level", "WARNING"]
    found = [
        ("format", [PYTHON, "-m", "ruff", "format", "--check", "."], plain),
        ("lint", [PYTHON, "-m", "ruff", "check", "."], plain),
        ("migrations", [*manage, "makemigrations", "--check", "--dry-run"], plain),
        ("deployment", deploy, production_environment()),
        ("page scripts", [PYTHON, "scripts/build_frontend.py", "--check"], plain),
    ]
    if list(ROOT.glob("*/management/commands/messages.py")):
        found.append(("translations", [*manage, "messages", "--check"], plain))
    return [*found, ("types", [PYTHON, "-m", "mypy", "."], plain)]


def main() -> int:
    failed = []
    for name, command, environment in steps():
        began = time.monotonic()
        done = subprocess.run(
            command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        print(f"{'✓' if done.returncode == 0 else '✗'} {name} ({time.monotonic() - began:.1f} s)", flush=True)
        if done.returncode != 0:
            failed.append(name)
            output = f"{done.stdout}{done.stderr}".splitlines()
            print("\n".join(line for line in output if ": note: " not in line), flush=True)
    print(f"Failed: {', '.join(failed)}." if failed else "Everything is fine.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
