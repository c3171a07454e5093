-- +goose Up

-- The log once more, packed for judging it again: a sheet is 32,768 numbers of
-- events (sheet is n / 32768), sealed once nothing is counted into them any more. It
-- holds nothing that the events do not, and goes as soon as one of them is
-- changed or deleted, in the same transaction. first and last are the earliest
-- and the latest at, in nanoseconds since 1970. format 0 is one being made, made
-- says by whom.
CREATE TABLE replay_sheets (
    sheet  INTEGER PRIMARY KEY,
    format INTEGER NOT NULL,
    made   INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    last   INTEGER NOT NULL,
    data   BLOB NOT NULL
);

-- +goose StatementBegin
CREATE TRIGGER events_updated AFTER UPDATE ON events BEGIN
    DELETE FROM replay_sheets WHERE sheet = old.n / 32768;
END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER events_deleted AFTER DELETE ON events BEGIN
    DELETE FROM replay_sheets WHERE sheet = old.n / 32768;
END;
-- +goose StatementEnd

-- +goose Down
DROP TRIGGER events_deleted;
DROP TRIGGER events_updated;
DROP TABLE replay_sheets;
