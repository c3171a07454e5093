-- +goose Up

-- Where alarms go. sealed holds the address and the signing secret, which only
-- the master key opens; kinds are separated by spaces, empty: all.
CREATE TABLE alarm_targets (
    id      TEXT PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE COLLATE NOCASE,
    shown   TEXT NOT NULL, -- the address without what of it is secret
    sealed  BLOB NOT NULL,
    kinds   TEXT NOT NULL,
    created INTEGER NOT NULL,
    gone    INTEGER NOT NULL DEFAULT 0 -- it answered 410: nothing is sent there any more
) WITHOUT ROWID;

-- What happened. source tells an occurrence from others, so that none is told
-- twice; times are nanoseconds since 1970.
CREATE TABLE alarms (
    id      TEXT PRIMARY KEY,
    at      INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    source  TEXT NOT NULL UNIQUE,
    payload BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX alarms_at ON alarms (at);

-- What goes where, until it arrived: state is waiting, delivered or dead.
CREATE TABLE alarm_deliveries (
    alarm  TEXT NOT NULL REFERENCES alarms (id) ON DELETE CASCADE,
    target TEXT NOT NULL REFERENCES alarm_targets (id) ON DELETE CASCADE,
    state  TEXT NOT NULL,
    tries  INTEGER NOT NULL,
    first  INTEGER NOT NULL, -- from when it is tried
    next   INTEGER NOT NULL,
    fault  TEXT NOT NULL,
    PRIMARY KEY (alarm, target)
) WITHOUT ROWID;
CREATE INDEX alarm_deliveries_next ON alarm_deliveries (state, next);

-- What is so now, such as a backend that is away, and how far was read.
CREATE TABLE alarm_marks (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

ALTER TABLE administrators ADD COLUMN break_glass INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE administrators DROP COLUMN break_glass;
DROP TABLE alarm_marks;
DROP TABLE alarm_deliveries;
DROP TABLE alarms;
DROP TABLE alarm_targets;
