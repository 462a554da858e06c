"""What the server remembers of each analysis: one row in a database. Media and results are files, not rows."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sql
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from emotrace.errors import MissingExtra, RequestRefused, UsageError
from emotrace.server.answers import FINISHED, Problem, State, Summary

SILENT_SECONDS: Final = 120.0
"""A server that has not been heard of for so long is gone; the others then fail what it was at."""

_TABLES: Final = sql.MetaData()
_ANALYSES: Final = sql.Table(
    "emotrace_analyses",
    _TABLES,
    sql.Column("id", sql.String(32), primary_key=True),
    sql.Column("owner", sql.String(64), nullable=False),
    sql.Column("server", sql.String(63), nullable=False),
    sql.Column("name", sql.String(200), nullable=False),
    sql.Column("bytes", sql.BigInteger, nullable=False),
    sql.Column("media_type", sql.String(40), nullable=False),
    sql.Column("state", sql.String(10), nullable=False),
    sql.Column("created", sql.Float(53), nullable=False),
    sql.Column("finished", sql.Float(53)),
    sql.Column("summary", sql.Text),
    sql.Column("error", sql.Text),
    sql.Index("emotrace_history", "owner", "created"),
)
_SERVERS: Final = sql.Table(
    "emotrace_servers",
    _TABLES,
    sql.Column("name", sql.String(63), primary_key=True),
    sql.Column("seen", sql.Float(53), nullable=False),
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One analysis. Times are seconds since 1970."""

    id: str
    owner: str
    server: str
    """Name of the server that analyses it."""
    name: str
    bytes: int
    media_type: str
    state: State = "queued"
    created: float
    finished: float | None = None
    summary: Summary | None = None
    error: Problem | None = None

    @property
    def is_finished(self) -> bool:
        """Whether it will not change any more."""
        return self.state in FINISHED


class Store:
    """The rows. Every method is one transaction, and blocks: call it from a thread.

    Raises (from every method):
        RequestRefused: 507 where the disk is full, 503 where the database is away.
    """

    def __init__(self, url: str) -> None:
        """Opens the database and makes the tables that are not there yet.

        Raises:
            UsageError: Not an address of a database, or nobody answers there.
            MissingExtra: Its driver is not installed.
        """
        try:
            parsed = sql.make_url(url)
            is_file = parsed.get_backend_name() == "sqlite"
            arguments = {"timeout": 15.0} if is_file else {"connect_timeout": 10}
            self._engine = sql.create_engine(parsed, pool_pre_ping=True, connect_args=arguments)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            if isinstance(error, ModuleNotFoundError):
                raise MissingExtra("A PostgreSQL database", extra="postgres") from error
            reason = "not the address of a database that SQLAlchemy knows"
            raise UsageError(reason, where="--database", hint="postgresql://USER@HOST/DATABASE") from None
        if is_file:
            sql.event.listen(self._engine, "connect", _prepare_sqlite)
        try:
            _TABLES.create_all(self._engine)
        except SQLAlchemyError as error:
            reason = getattr(error, "orig", None) or type(error).__name__
            raise UsageError(
                f"the database cannot be used ({' '.join(str(reason).split())})", where="--database"
            ) from error

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    def add(self, entry: Entry) -> None:
        """Remembers a new analysis."""
        row = {column.name: getattr(entry, column.name) for column in _ANALYSES.columns}
        row |= {"summary": None, "error": None}
        with self._transaction() as connection:
            connection.execute(_ANALYSES.insert().values(**row))

    def get(self, id: str, owner: str) -> Entry | None:
        """The analysis, if it is the owner's."""
        with self._transaction() as connection:
            row = connection.execute(sql.select(_ANALYSES).where(_of(id, owner))).mappings().one_or_none()
        return None if row is None else _entry(row)

    def history(self, owner: str, *, limit: int, before: Entry | None = None) -> list[Entry]:
        """The owner's analyses, the latest first."""
        query = sql.select(_ANALYSES).where(_ANALYSES.c.owner == owner)
        if before is not None:
            place = sql.tuple_(sql.literal(before.created), sql.literal(before.id))
            query = query.where(sql.tuple_(_ANALYSES.c.created, _ANALYSES.c.id) < place)
        query = query.order_by(_ANALYSES.c.created.desc(), _ANALYSES.c.id.desc()).limit(limit)
        with self._transaction() as connection:
            return [_entry(row) for row in connection.execute(query).mappings()]

    def start(self, id: str) -> bool:
        """Notes that it is being worked on; False where it is gone, or was given up."""
        return self._change(_ANALYSES.c.id == id, state="running") == 1

    def finish(self, id: str, *, summary: Summary | None = None, error: Problem | None = None) -> bool:
        """Notes how it ended; False where it is gone, or was given up."""
        values = {
            "state": "done" if error is None else "failed",
            "finished": time.time(),
            "summary": None if summary is None else summary.model_dump_json(),
            "error": None if error is None else error.model_dump_json(),
        }
        return self._change(_ANALYSES.c.id == id, **values) == 1

    def fail_unfinished(
        self, server: str, problem: Problem, *, created_before: float, but: Collection[str] = ()
    ) -> int:
        """Fails what a server took in before a time and has not finished, except for some; gives their number."""
        old = (_ANALYSES.c.server == server) & (_ANALYSES.c.created <= created_before)
        mine = old & _ANALYSES.c.id.not_in(list(but))
        return self._change(mine, state="failed", finished=time.time(), error=problem.model_dump_json())

    def delete(self, id: str, owner: str) -> None:
        """Forgets an analysis."""
        with self._transaction() as connection:
            connection.execute(_ANALYSES.delete().where(_of(id, owner)))

    def expired(self, before: float) -> list[tuple[str, str]]:
        """Id and owner of what was finished before a time."""
        query = sql.select(_ANALYSES.c.id, _ANALYSES.c.owner).where(_ANALYSES.c.finished < before)
        with self._transaction() as connection:
            return [(row.id, row.owner) for row in connection.execute(query)]

    def beat(self, server: str) -> list[str]:
        """Notes that a server lives; gives the names of those that have been silent for too long."""
        now = time.time()
        with self._transaction() as connection:
            known = connection.execute(_SERVERS.update().where(_SERVERS.c.name == server).values(seen=now))
            if known.rowcount == 0:
                connection.execute(_SERVERS.insert().values(name=server, seen=now))
            silent = sql.select(_SERVERS.c.name).where(_SERVERS.c.seen < now - SILENT_SECONDS)
            return list(connection.scalars(silent))

    def _change(self, which: sql.ColumnElement[bool], **values: Any) -> int:
        unfinished = _ANALYSES.c.state.in_(("queued", "running"))
        with self._transaction() as connection:
            return connection.execute(_ANALYSES.update().where(which, unfinished).values(**values)).rowcount

    @contextmanager
    def _transaction(self) -> Iterator[sql.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise _refusal(error) from error


def _refusal(error: DBAPIError) -> RequestRefused:
    if "full" in str(error.orig) or "No space left" in str(error.orig):
        return RequestRefused("the server's disk is full", status=507, code="disk_full", hint="Try again later")
    return RequestRefused(
        "the server's database does not answer", status=503, code="database_away", retry_after_seconds=10
    )


def _of(id: str, owner: str) -> sql.ColumnElement[bool]:
    return (_ANALYSES.c.id == id) & (_ANALYSES.c.owner == owner)


def _entry(row: sql.RowMapping) -> Entry:
    values = dict(row)
    for name, kind in (("summary", Summary), ("error", Problem)):
        values[name] = None if values[name] is None else kind(**json.loads(values[name]))
    return Entry(**values)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Readers do not wait for the writer, and a crash of the machine loses at most the last transactions."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()
