-- +goose Up

-- source is the name of the directory that a person or a group is mirrored
-- from, empty for our own.
ALTER TABLE people ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE groups ADD COLUMN source TEXT NOT NULL DEFAULT '';

-- What a directory last said of a person. entry is its own lasting id
-- (entryUUID, objectGUID), aliases are the addresses that it gave them, one a
-- line, closed is 1 while it was the directory that disabled them.
CREATE TABLE directory_people (
    source  TEXT NOT NULL,
    entry   TEXT NOT NULL,
    person  TEXT NOT NULL UNIQUE REFERENCES people (id) ON DELETE CASCADE,
    dn      TEXT NOT NULL,
    stamp   TEXT NOT NULL,
    aliases TEXT NOT NULL,
    closed  INTEGER NOT NULL,
    PRIMARY KEY (source, entry)
) WITHOUT ROWID;

CREATE TABLE directory_groups (
    source   TEXT NOT NULL,
    entry    TEXT NOT NULL,
    group_id TEXT NOT NULL UNIQUE REFERENCES groups (id) ON DELETE CASCADE,
    dn       TEXT NOT NULL,
    PRIMARY KEY (source, entry)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE directory_groups;
DROP TABLE directory_people;
ALTER TABLE groups DROP COLUMN source;
ALTER TABLE people DROP COLUMN source;
