-- +goose Up

-- By which way a change came: socket, system, revert; empty where the actor's name says it.
ALTER TABLE audit ADD COLUMN origin TEXT NOT NULL DEFAULT '';

-- Changes that are taken back at a time unless somebody confirms them. first and
-- last are the audit rows that they wrote; times are nanoseconds since 1970.
CREATE TABLE pending (
    id        TEXT PRIMARY KEY,
    made      INTEGER NOT NULL,
    until     INTEGER NOT NULL,
    actor_uid INTEGER NOT NULL,
    actor     TEXT NOT NULL,
    reason    TEXT NOT NULL,
    first     INTEGER NOT NULL,
    last      INTEGER NOT NULL
) WITHOUT ROWID;

-- The people who are administrators.
CREATE TABLE administrators (
    person TEXT PRIMARY KEY REFERENCES people (id) ON DELETE CASCADE,
    since  INTEGER NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE administrators;
DROP TABLE pending;
ALTER TABLE audit DROP COLUMN origin;
