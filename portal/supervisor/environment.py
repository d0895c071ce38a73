"""What the children are told, in their environment and never in argv."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from portal.supervisor import broker, keys
from portal.supervisor.errors import StartError

MAIL_FOLDER = "mail"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One start: where, and with what."""

    data_dir: Path
    bind: str
    port: int
    environment: dict[str, str]
    broker_config: Path | None  # None: a broker was given from outside
    mail_port: int | None = None  # of the server that only keeps mail; None: a mail server was given from outside

    @property
    def address(self) -> str:
        host = "127.0.0.1" if self.bind in ("0.0.0.0", "::", "") else self.bind  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def is_given(name: str, environ: Mapping[str, str]) -> bool:
    """Whether a variable comes from outside, as itself or as NAME_FILE."""
    return bool(environ.get(name) or environ.get(f"{name}_FILE"))


def web_port(environ: Mapping[str, str]) -> int:
    text = environ.get("PORT") or "8000"
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise StartError(f"PORT is {text!r}, but a port is a number from 1 to 65535. Try: PORT=8001 make run")
    return int(text)


def prepare(
    data_dir: Path, environ: Mapping[str, str], *, kept_broker_port: int | None, kept_mail_port: int | None = None
) -> tuple[Plan, int | None]:
    """Make the folders, keys and configuration of this start; also returns the embedded broker's port."""
    for folder in (data_dir, data_dir / "logs", data_dir / "files"):
        folder.mkdir(parents=True, exist_ok=True)
    made = keys.load_or_make(data_dir)
    child = dict(environ) | {"DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
    child.pop("PYTHONDONTWRITEBYTECODE", None)  # compiled modules make the next start quicker
    child.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    child.setdefault("PORTAL_EMBEDDED", "1")
    for name in ("SECRET_KEY", "FIELD_ENCRYPTION_KEYS"):
        if not is_given(name, environ):
            child[name] = made[name]
    port, config = None, None
    if not is_given("CELERY_BROKER_URL", environ):
        port = broker.choose_port(kept_broker_port)
        config = broker.write_config(data_dir / "broker", port=port, password=made["BROKER_PASSWORD"])
        child["CELERY_BROKER_URL"] = broker.url(port=port, password=made["BROKER_PASSWORD"])
    mail_port = None
    if not is_given("EMAIL_URL", environ):
        mail_port = broker.choose_port(kept_mail_port)
        child["EMAIL_URL"] = f"smtp://127.0.0.1:{mail_port}"
        child["PORTAL_MAIL_FOLDER"] = str(data_dir / MAIL_FOLDER)
    plan = Plan(
        data_dir=data_dir,
        bind=environ.get("BIND") or "127.0.0.1",
        port=web_port(environ),
        environment=child,
        broker_config=config,
        mail_port=mail_port,
    )
    child["PORT"] = str(plan.port)
    child.setdefault("PORTAL_BASE_URL", plan.address)
    return plan, port
