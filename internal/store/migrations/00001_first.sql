-- +goose Up

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE people (
    id           TEXT PRIMARY KEY,
    address      TEXT NOT NULL UNIQUE,
    display_name TEXT NOT NULL DEFAULT '',
    disabled     INTEGER NOT NULL DEFAULT 0,
    guest        INTEGER NOT NULL DEFAULT 0,
    secret_kind  TEXT NOT NULL DEFAULT 'backend',
    secret_hash  TEXT NOT NULL DEFAULT '',
    created      INTEGER NOT NULL,
    origin       TEXT NOT NULL DEFAULT 'local',
    backend      TEXT NOT NULL DEFAULT '',
    version      INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;

CREATE TABLE aliases (
    address TEXT PRIMARY KEY,
    person  TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX aliases_person ON aliases (person);

CREATE TABLE groups (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE COLLATE NOCASE,
    created INTEGER NOT NULL
) WITHOUT ROWID;

-- member is the id of a person or of another group.
CREATE TABLE members (
    group_id TEXT NOT NULL REFERENCES groups (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('person', 'group')),
    member   TEXT NOT NULL,
    PRIMARY KEY (group_id, kind, member)
) WITHOUT ROWID;
CREATE INDEX members_member ON members (kind, member);

-- The objects that administrators write as JSON: kind is policy, location,
-- strength or authenticationPolicy. A name is unique among those not deleted.
CREATE TABLE documents (
    id       TEXT PRIMARY KEY,
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL COLLATE NOCASE,
    state    TEXT NOT NULL DEFAULT '',
    position INTEGER NOT NULL,
    json     BLOB NOT NULL,
    version  INTEGER NOT NULL,
    created  INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    deleted  INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE UNIQUE INDEX documents_name ON documents (kind, name) WHERE deleted = 0;

CREATE TABLE assignments (
    scope   TEXT NOT NULL CHECK (scope IN ('organization', 'group', 'person')),
    subject TEXT NOT NULL,
    policy  TEXT NOT NULL,
    PRIMARY KEY (scope, subject)
) WITHOUT ROWID;

-- A switch that is absent inherits.
CREATE TABLE switches (
    scope   TEXT NOT NULL CHECK (scope IN ('organization', 'domain', 'group', 'mailbox')),
    subject TEXT NOT NULL,
    name    TEXT NOT NULL,
    value   INTEGER NOT NULL,
    PRIMARY KEY (scope, subject, name)
) WITHOUT ROWID;

-- Imported CAS mailbox lists, cell by cell, so that they are written out as they came.
CREATE TABLE cas_sheets (
    id       TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    imported INTEGER NOT NULL,
    format   BLOB NOT NULL,
    columns  BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE cas_rows (
    sheet    TEXT NOT NULL REFERENCES cas_sheets (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    mailbox  TEXT NOT NULL,
    cells    BLOB NOT NULL,
    PRIMARY KEY (sheet, position)
) WITHOUT ROWID;
CREATE INDEX cas_rows_mailbox ON cas_rows (mailbox);

-- Each compiled source that ever judged, kept while an event refers to it.
CREATE TABLE snapshots (
    version INTEGER PRIMARY KEY,
    created INTEGER NOT NULL,
    source  BLOB NOT NULL
);

CREATE TABLE networks (
    person TEXT NOT NULL,
    prefix TEXT NOT NULL,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    PRIMARY KEY (person, prefix)
) WITHOUT ROWID;

CREATE TABLE revocations (
    grant_id TEXT PRIMARY KEY,
    person   TEXT NOT NULL,
    at       INTEGER NOT NULL,
    until    INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit (
    n          INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
    actor_uid  INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    action     TEXT NOT NULL,
    kind       TEXT NOT NULL,
    object     TEXT NOT NULL,
    name       TEXT NOT NULL,
    reason     TEXT NOT NULL,
    before     BLOB,
    after      BLOB,
    chain      BLOB NOT NULL
);
CREATE INDEX audit_object ON audit (object);

-- One row is one sign-in, or several equal ones counted together. Times are
-- nanoseconds since 1970; addr is 16 bytes, IPv4 mapped; ref is the last 60
-- bits of id; names is 1 once a stranger's name has been replaced by its keyed
-- hash; facts is the versioned blob of everything that is not a column.
CREATE TABLE events (
    n           INTEGER PRIMARY KEY,
    id          BLOB NOT NULL,
    ref         INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    last        INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    correlation BLOB,
    source      TEXT NOT NULL,
    observed    INTEGER NOT NULL,
    person      TEXT NOT NULL,
    mailbox     TEXT NOT NULL,
    typed       TEXT NOT NULL,
    names       INTEGER NOT NULL DEFAULT 0,
    protocol    TEXT NOT NULL,
    credential  TEXT NOT NULL,
    program     TEXT NOT NULL,
    addr        BLOB,
    code        INTEGER NOT NULL,
    version     INTEGER NOT NULL,
    facts       BLOB NOT NULL
);
CREATE UNIQUE INDEX events_id ON events (id);
CREATE INDEX events_ref ON events (ref);
CREATE INDEX events_at ON events (at);
CREATE INDEX events_correlation ON events (correlation) WHERE correlation IS NOT NULL;
CREATE INDEX events_person ON events (person, at) WHERE person <> '';
CREATE INDEX events_mailbox ON events (mailbox, at);
CREATE INDEX events_protocol ON events (protocol, at);
CREATE INDEX events_code ON events (code, at);
CREATE INDEX events_addr ON events (addr, at) WHERE addr IS NOT NULL;
CREATE INDEX events_version ON events (version);
CREATE INDEX events_stranger ON events (at) WHERE person = '' AND names = 0;

CREATE TABLE sessions (
    session      TEXT PRIMARY KEY,
    event        BLOB NOT NULL,
    opened       INTEGER NOT NULL,
    closed       INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    code         INTEGER NOT NULL,
    from_client  INTEGER NOT NULL,
    from_backend INTEGER NOT NULL,
    program      TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_event ON sessions (event);
CREATE INDEX sessions_opened ON sessions (opened);

-- +goose Down
DROP TABLE sessions;
DROP TABLE events;
DROP TABLE audit;
DROP TABLE revocations;
DROP TABLE networks;
DROP TABLE snapshots;
DROP TABLE cas_rows;
DROP TABLE cas_sheets;
DROP TABLE switches;
DROP TABLE assignments;
DROP TABLE documents;
DROP TABLE members;
DROP TABLE groups;
DROP TABLE aliases;
DROP TABLE people;
DROP TABLE meta;
