-- +goose Up

-- What is managed from a folder of files, and from which file each came. object
-- and name are those of the audit's rows; name is empty for documents. at is
-- nanoseconds since 1970.
CREATE TABLE managed (
    kind      TEXT NOT NULL,
    object    TEXT NOT NULL,
    name      TEXT NOT NULL,
    word      TEXT NOT NULL,
    file      TEXT NOT NULL,
    line      INTEGER NOT NULL,
    committed TEXT NOT NULL,
    at        INTEGER NOT NULL,
    actor     TEXT NOT NULL,
    PRIMARY KEY (kind, object, name)
) WITHOUT ROWID;

-- A new object comes behind all others of its kind.
CREATE INDEX documents_position ON documents (kind, position);

-- +goose Down
DROP INDEX documents_position;
DROP TABLE managed;
