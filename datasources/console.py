"""The query console: what somebody runs by hand, under the rules of jobs; remembered by its text, never its result.

Read-only unless a change is asked for, on a writable datasource, after a rehearsal of the very same text and values.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.core import signing
from django.db import DatabaseError, connection
from django.utils import timezone

from accounts import audit
from accounts.models import User
from accounts.permissions import can
from datasources import approvals, blast
from datasources.approvals import Change
from datasources.connections import AccessRefusedError, target_for
from datasources.models import DataSource, QueryRecord
from datasources.problems import Code
from datasources.query import QueryError, ResultSet, Session, Statement, open_session, split
from datasources.states import QueryMode
from datasources.tally import Limit
from datasources.target import ConnectionTarget
from portal.lib.said import said as _

DEFAULT_ROWS, MOST_ROWS = 200, 2_000
DEFAULT_SECONDS = 30
MOST_BYTES = 4 * 1024 * 1024  # of all results of a page together
MOST_STATEMENTS = 20
MOST_AT_ONCE = 3  # queries of one person: each holds a thread of the web server
LONGEST_SQL = 200_000
KEPT_QUERIES = 100  # of one person
SUMMARY = 200
POLL_SECONDS = 0.5
_SALT, _FRESH = "datasources.console.rehearsed", timedelta(hours=1)

_running: dict[UUID, Session] = {}  # in this process: a Stop that comes here needs no asking of the ledger


@dataclass(frozen=True, kw_only=True)
class Question:
    """What somebody wants to see or do. `rehearsed` is `Answer.rehearsed` of the same text before."""

    source: DataSource
    text: str
    values: Mapping[str, Any] = field(default_factory=dict)
    mode: QueryMode = QueryMode.READ
    key: UUID = field(default_factory=uuid4)
    max_rows: int = DEFAULT_ROWS
    timeout: float = DEFAULT_SECONDS
    purpose: str = ""
    rehearsed: str = ""

    @property
    def change(self) -> Change:
        return Change(statement=self.text, values=self.values, purpose=self.purpose or str(_("query console")))


@dataclass(frozen=True, kw_only=True)
class Part:
    """One statement and what came of it."""

    number: int
    statement: Statement
    result: ResultSet


@dataclass(kw_only=True)
class Answer:
    """`parts` are those that ended well; `problem` is one sentence. `rehearsed` allows the change to be made."""

    parts: list[Part] = field(default_factory=list)
    problem: str = ""
    code: str = ""
    line: int | None = None
    notes: list[str] = field(default_factory=list)
    affected: int | None = None
    elapsed: float = 0.0
    rehearsed: str = ""
    key: UUID | None = None

    @property
    def is_ok(self) -> bool:
        return not self.problem


def ask(question: Question, *, user: User) -> Answer:
    """Run it, remember it, audit it. Never raises for what the user or the database did wrong."""
    answer = Answer()
    started = time.monotonic()
    try:
        target = target_for(question.source, user=user)
        statements = _statements(question, target, user)
    except (AccessRefusedError, QueryError) as error:
        answer.problem, answer.code = error.sentence, getattr(error, "code", "")
        return answer
    record = _begin(question, user)
    answer.key = record.key
    try:
        _carry_out(question, target, statements, answer, user=user, key=record.key)
    except QueryError as error:
        answer.problem, answer.code, answer.line = error.sentence, error.code, error.line
        _after_refusal(question, target, answer, user)
    finally:
        answer.elapsed = time.monotonic() - started
        _end(record, question, answer, user)
    return answer


def stop(key: UUID, *, user: User) -> bool:
    """Have the user's own query end, in the database, wherever it is executed. False: it is not running."""
    own = QueryRecord.objects.filter(key=key, user=user, ended_at=None)
    if not own.update(stop_requested_at=timezone.now()):
        return False
    session = _running.get(key)
    if session is not None:
        session.cancel()
    return True


def remembered(user: User, key: str) -> QueryRecord | None:
    """The user's own query of that key, if its datasource is still there and may be used."""
    try:
        found = QueryRecord.objects.filter(user=user, key=UUID(key)).select_related("datasource").first()
    except ValueError:
        return None
    return found if found and found.datasource and can(user, "use", found.datasource) else None


# --- running --------------------------------------------------------------------------------------------------------


def _statements(question: Question, target: ConnectionTarget, user: User) -> list[Statement]:
    """What is to be run, if it may be tried at all."""
    if question.mode in (QueryMode.REHEARSE, QueryMode.WRITE) and target.is_read_only:
        raise QueryError.of(Code.READ_ONLY, _("This datasource is read-only, so nothing may be changed."))
    if question.mode == QueryMode.WRITE and not _is_rehearsed(question, user):
        words = _("Rehearse the change first, and then make it without touching the text or the parameters.")
        raise QueryError.of(Code.VALUE, words)
    if running_count(user) >= MOST_AT_ONCE:
        words = _("%(count)d of your queries are still running: stop one, or wait for its end.")
        raise QueryError.of(Code.BUSY, words % {"count": MOST_AT_ONCE})
    found = split(question.text, target.kind)
    if not found:
        raise QueryError.of(Code.SYNTAX, _("There is no statement: write at least one."))
    if len(found) > MOST_STATEMENTS:
        words = _("These are %(count)d statements, and at most %(most)d may be run here: make a job of them.")
        raise QueryError.of(Code.VALUE, words % {"count": len(found), "most": MOST_STATEMENTS})
    return found


def _carry_out(
    question: Question,
    target: ConnectionTarget,
    statements: Sequence[Statement],
    answer: Answer,
    *,
    user: User,
    key: UUID,
) -> None:
    looks = question.mode in (QueryMode.READ, QueryMode.PLAN)
    limit = None if looks else _limit(question, target, answer, user)
    opened = open_session(target, timeout=question.timeout, read_only=looks, limit=limit)
    with opened as session, _stoppable(session, key):
        try:
            answer.notes += [hazard.sentence for hazard in blast.look(session, statements, limit)]
            _run_each(question, session, statements, answer)
        finally:
            answer.affected = session.affected if limit else None
    if question.mode == QueryMode.REHEARSE:
        answer.rehearsed = _seal(question, user)


def _run_each(question: Question, session: Session, statements: Sequence[Statement], answer: Answer) -> None:
    left = MOST_BYTES
    run: Callable[..., ResultSet] = session.plan if question.mode == QueryMode.PLAN else session.execute
    for number, statement in enumerate(statements, start=1):
        found = run(statement, question.values, max_rows=question.max_rows, max_bytes=max(left, 1))
        left -= sum(len(str(row)) for row in found.rows)
        answer.parts.append(Part(number=number, statement=statement, result=found))


def _limit(question: Question, target: ConnectionTarget, answer: Answer, user: User) -> Limit | None:
    if question.mode == QueryMode.REHEARSE:
        return Limit(keep=False)
    most = blast.most_of(target)
    if most is None:
        return None
    allowed = approvals.spend(question.source, question.change, actor=user)
    if allowed is not None:
        answer.notes.append(_("A second person has approved this change."))
    return blast.limit_of(most, allowed)


def _after_refusal(question: Question, target: ConnectionTarget, answer: Answer, user: User) -> None:
    """What to do about it: ask a second person for a change that is too large, or rehearse what is no SELECT."""
    code = answer.code
    if question.mode == QueryMode.READ and code == Code.READ_ONLY and not target.is_read_only:
        answer.notes.append(
            _("A plain run is guarded as on a read-only datasource: rehearse a statement that changes data.")
        )
    if question.mode == QueryMode.REHEARSE and code == Code.LASTING:
        answer.rehearsed = _seal(question, user)
        answer.notes.append(_("It can't be rehearsed, since a rehearsal could not undo it."))
    if question.mode != QueryMode.WRITE or code not in blast.NEEDS_APPROVAL or blast.most_of(target) is None:
        return
    rows = answer.affected if code == Code.TOO_MANY else None
    approvals.ask(question.source, question.change, actor=user, affected=rows, reason=answer.problem)
    words = _("A second person was asked: when it is approved under “Write approvals”, rehearse and make it again.")
    answer.notes.append(words)


@contextlib.contextmanager
def _stoppable(session: Session, key: UUID) -> Iterator[None]:
    """While the block runs, `stop` reaches the session, also from another process."""
    done = threading.Event()
    _running[key] = session

    def watch() -> None:
        try:
            while not done.wait(POLL_SECONDS):
                if QueryRecord.objects.filter(key=key, stop_requested_at__isnull=False).exists():
                    session.cancel()
                    return
        except DatabaseError:  # the ledger is away: the timeout still holds
            pass
        finally:
            connection.close()

    threading.Thread(target=watch, name="console-stop", daemon=True).start()
    try:
        yield
    finally:
        done.set()
        _running.pop(key, None)


# --- what a rehearsal allows ------------------------------------------------------------------------------------------


def _seal(question: Question, user: User) -> str:
    return signing.dumps([user.pk, approvals.digest_of(question.source, question.change)], salt=_SALT)


def _is_rehearsed(question: Question, user: User) -> bool:
    try:
        sealed = signing.loads(question.rehearsed, salt=_SALT, max_age=_FRESH)
    except signing.BadSignature:
        return False
    return bool(sealed == [user.pk, approvals.digest_of(question.source, question.change)])


# --- remembering ----------------------------------------------------------------------------------------------------


def running_count(user: User) -> int:
    """Queries of this person that have not ended; one whose process died counts until its time is up."""
    since = timezone.now() - timedelta(seconds=settings.PORTAL_SQL_TIMEOUT_SECONDS + 60)
    return QueryRecord.objects.filter(user=user, ended_at=None, started_at__gt=since).count()


def _begin(question: Question, user: User) -> QueryRecord:
    """A row in the ledger before the database is asked, and room for it: the oldest of this person go."""
    key = uuid4() if QueryRecord.objects.filter(key=question.key).exists() else question.key
    kept = QueryRecord.objects.filter(user=user).order_by("-id").values_list("pk", flat=True)
    QueryRecord.objects.filter(pk__in=list(kept[KEPT_QUERIES - 1 : KEPT_QUERIES + 500])).delete()
    return QueryRecord.objects.create(
        tenant_id=question.source.tenant_id,
        key=key,
        user=user,
        created_by=user,
        datasource=question.source,
        mode=question.mode,
        text=question.text,
        values=dict(question.values),
        started_at=timezone.now(),
    )


def _end(record: QueryRecord, question: Question, answer: Answer, user: User) -> None:
    rows = answer.affected if answer.affected is not None else _rows(answer)
    facts: dict[str, Any] = {"is_ok": answer.is_ok, "row_count": rows, "problem": str(answer.problem)[:500]}
    facts["elapsed_ms"] = round(answer.elapsed * 1000)
    QueryRecord.objects.filter(pk=record.pk).update(ended_at=timezone.now(), **facts)
    details = {
        "mode": str(question.mode),
        "ok": answer.is_ok,
        "code": str(answer.code),
        "rows": rows,
        "elapsed_ms": facts["elapsed_ms"],
        "sha256": hashlib.sha256(question.text.encode("utf-8", "surrogatepass")).hexdigest(),
        "text": question.text[:SUMMARY],
    }
    audit.record("datasources.query.ran", actor=user, target=question.source, details=details)


def _rows(answer: Answer) -> int | None:
    counts = [part.result.row_count for part in answer.parts if part.result.row_count is not None]
    return sum(counts) if counts else None
