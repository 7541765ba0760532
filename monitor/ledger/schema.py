"""The ledger's tables, version by version. A new version is a new entry at the end; entries that were released never change.

1   tape, incidents, timelines, pushes
2   timelines are chained by hashes (monitor/chain.py), pushes may have a recipient, incidents can be asked for by station,
    measures that suppress; `sealed_after` is the last entry that was chained by the migration instead of at its commit
"""

from __future__ import annotations

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE tape (
        first_seq INTEGER PRIMARY KEY,
        last_seq  INTEGER NOT NULL,
        first_at  INTEGER NOT NULL,
        last_at   INTEGER NOT NULL,
        record    BLOB NOT NULL
    ) STRICT;
    CREATE TABLE incident (
        id        TEXT PRIMARY KEY,
        is_open   INTEGER NOT NULL,
        raised_at INTEGER NOT NULL,
        record    TEXT NOT NULL
    ) STRICT;
    CREATE INDEX incident_by_age ON incident (raised_at);
    CREATE INDEX incident_open ON incident (raised_at) WHERE is_open = 1;
    CREATE TABLE entry (
        id        INTEGER PRIMARY KEY AUTOINCREMENT,
        at        INTEGER NOT NULL,
        incident  TEXT NOT NULL,
        step      TEXT NOT NULL,
        detail    TEXT NOT NULL
    ) STRICT;
    CREATE INDEX entry_of_incident ON entry (incident, id);
    CREATE TABLE push (
        number    INTEGER PRIMARY KEY,
        key       TEXT NOT NULL UNIQUE,
        at        INTEGER NOT NULL,
        incident  TEXT NOT NULL,
        step      TEXT NOT NULL,
        channel   TEXT NOT NULL,
        kind      TEXT NOT NULL,
        expires_at INTEGER NOT NULL,
        body      TEXT NOT NULL,
        outcome   TEXT NOT NULL DEFAULT 'pending',
        attempts  INTEGER NOT NULL DEFAULT 0,
        reply     TEXT NOT NULL DEFAULT '',
        next_at   INTEGER
    ) STRICT;
    CREATE INDEX push_of_incident ON push (incident, number);
    CREATE INDEX push_open ON push (number) WHERE outcome IN ('pending', 'retry');
    CREATE TABLE cursor (name TEXT PRIMARY KEY, seq INTEGER NOT NULL) STRICT;
    CREATE TABLE snapshot (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, state BLOB NOT NULL) STRICT;
    CREATE TABLE quarantine (
        id        INTEGER PRIMARY KEY AUTOINCREMENT,
        at        INTEGER NOT NULL,
        reason    TEXT NOT NULL,
        detail    TEXT NOT NULL,
        topic     TEXT NOT NULL,
        payload   BLOB NOT NULL
    ) STRICT;
    CREATE TABLE stranger (
        device    TEXT PRIMARY KEY,
        messages  INTEGER NOT NULL,
        first_at  INTEGER NOT NULL,
        last_at   INTEGER NOT NULL,
        topic     TEXT NOT NULL,
        sample    BLOB NOT NULL
    ) STRICT;
    CREATE INDEX stranger_by_age ON stranger (last_at);
    CREATE TABLE account (name TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT;
    """,
    """
    CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    INSERT INTO fact VALUES ('ledger', lower(hex(randomblob(16))));
    INSERT INTO fact SELECT 'sealed_after', coalesce(max(id), 0) FROM entry;
    ALTER TABLE entry ADD COLUMN hash TEXT NOT NULL DEFAULT '';
    UPDATE entry SET hash = links.link FROM (
        WITH RECURSIVE links (id, incident, link) AS (
            SELECT e.id, e.incident,
                   next_link(first_link((SELECT value FROM fact WHERE name = 'ledger'), e.incident),
                             e.at, e.incident, e.step, e.detail)
            FROM entry AS e WHERE e.id IN (SELECT min(id) FROM entry GROUP BY incident)
            UNION ALL
            SELECT e.id, e.incident, next_link(links.link, e.at, e.incident, e.step, e.detail)
            FROM links JOIN entry AS e
            ON e.id = (SELECT min(id) FROM entry WHERE incident = links.incident AND id > links.id)
        )
        SELECT id, link FROM links
    ) AS links WHERE links.id = entry.id;
    ALTER TABLE push ADD COLUMN recipient TEXT NOT NULL DEFAULT '';
    ALTER TABLE incident ADD COLUMN station TEXT NOT NULL DEFAULT '';
    UPDATE incident SET station = coalesce(json_extract(record, '$.station'), '');
    CREATE INDEX incident_of_station ON incident (station, raised_at);
    CREATE TABLE suppression (
        id        TEXT PRIMARY KEY,
        subject   TEXT NOT NULL,
        since     INTEGER NOT NULL,
        until     INTEGER NOT NULL,
        ended_at  INTEGER,
        record    TEXT NOT NULL
    ) STRICT;
    CREATE INDEX suppression_by_age ON suppression (since);
    CREATE INDEX suppression_open ON suppression (since) WHERE ended_at IS NULL;
    """,
    """
    CREATE TABLE book (since INTEGER PRIMARY KEY, digest TEXT NOT NULL, texts TEXT NOT NULL) STRICT;
    """,
)
