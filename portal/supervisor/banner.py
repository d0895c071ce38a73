"""What the operator reads when the portal is ready."""

import os
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("username", "password", "role", "tenant")


@dataclass(frozen=True, kw_only=True)
class Start:
    """How it went; `keeps_mail`: mail is kept by the mail sink and not sent."""

    address: str
    seconds: float
    ready: bool = True
    keeps_mail: bool = False


def text(start: Start, *, data_dir: Path) -> str:
    state = f"is ready (after {start.seconds:.1f} s)" if start.ready else "is starting"
    lines = ["", f"  The portal {state}:  {start.address}/", ""]
    logins = _logins(data_dir / "credentials.txt")
    if logins:
        widths = [max(len(row[column]) for row in [COLUMNS, *logins]) for column in range(len(COLUMNS))]
        for row in [COLUMNS, *logins]:
            lines.append(
                "    " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            )
        lines += ["", f"  Log-ins: {_short(data_dir / 'credentials.txt')}"]
    if start.keeps_mail:
        lines.append(f"  Mail:    {start.address}/admin/mail/  (kept here and not sent; log in as admin)")
    lines += [f"  Logs:    {_short(data_dir / 'logs')}/", "  Stop:    Ctrl-C", ""]
    return "\n".join(lines)


def _logins(path: Path) -> list[tuple[str, ...]]:
    """The rows of credentials.txt: username, password, role, tenant."""
    try:
        content = path.read_text(encoding="utf-8")
    except OSError:
        return []
    rows = [tuple(line.split()) for line in content.splitlines() if line.strip() and not line.startswith("#")]
    return [row[:4] for row in rows if len(row) >= 4]


def _short(path: Path) -> str:
    """The path as seen from here, when it is below here."""
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)
