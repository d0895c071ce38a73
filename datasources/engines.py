"""SQLAlchemy engines, one per datasource and definition, a bounded number of them; safe with threads and forks."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import OrderedDict

from sqlalchemy import Engine, NullPool, create_engine

from datasources.drivers import DRIVERS, ConnectionTarget, Driver
from datasources.problems import Code, QueryError
from portal.lib.plugins import UnknownKindError
from portal.lib.said import said as _

MOST_ENGINES = 64
POOL = {"pool_size": 2, "max_overflow": 14, "pool_timeout": 10, "pool_recycle": 3600, "pool_pre_ping": True}

_engines: OrderedDict[str, tuple[str, Engine]] = OrderedDict()
_lock = threading.Lock()


def driver_of(kind: str) -> Driver:
    """The driver, ready to be used here; else a `QueryError` that says why not."""
    try:
        driver = DRIVERS.get(kind)
    except UnknownKindError:
        raise QueryError.of(
            Code.DRIVER, _("There is no driver for “%(kind)s” on this machine.") % {"kind": kind}
        ) from None
    if reason := driver.missing():
        raise QueryError.of(Code.DRIVER, reason)
    return driver


def build(target: ConnectionTarget, driver: Driver, *, pooled: bool) -> Engine:
    """A new engine; nothing connects yet."""
    options = driver.engine_options(target)
    if pooled and driver.is_pooled:
        options |= POOL
    else:
        options["poolclass"] = NullPool
    return create_engine(driver.engine_url(target), hide_parameters=True, **options)


def engine_for(target: ConnectionTarget, driver: Driver) -> Engine:
    """The pooled engine of this definition; that of an older definition of the same datasource is closed."""
    digest = _digest(target)
    with _lock:
        held = _engines.get(target.key)
        if held and held[0] == digest:
            _engines.move_to_end(target.key)
            return held[1]
        engine = build(target, driver, pooled=True)
        _engines[target.key] = (digest, engine)
        old = [held[1]] if held else []
        while len(_engines) > MOST_ENGINES:
            old.append(_engines.popitem(last=False)[1][1])
    for outdated in old:
        outdated.dispose()  # connections in use go on and are closed when they come back
    return engine


def forget(key: str) -> None:
    """Close the engine of a datasource that was deleted or changed in this process."""
    with _lock:
        held = _engines.pop(key, None)
    if held:
        held[1].dispose()


def _digest(target: ConnectionTarget) -> str:
    definition = [target.kind, target.tenant, target.slug, dict(target.params), target.password, target.is_read_only]
    return hashlib.sha256(json.dumps(definition, sort_keys=True, default=str).encode()).hexdigest()


def _after_fork() -> None:
    """The parent's sockets are the parent's: the child forgets them without closing."""
    global _lock  # noqa: PLW0603
    _lock = threading.Lock()
    for _digest_of, engine in _engines.values():
        engine.dispose(close=False)
    _engines.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
