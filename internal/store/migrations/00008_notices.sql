-- +goose Up

-- What people were told by mail, so that a restart does not tell them again:
-- one row for each person, kind and subject of a notice, for a day.
CREATE TABLE notices (
    person TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    kind   TEXT NOT NULL,
    about  TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (person, kind, about)
) WITHOUT ROWID;
CREATE INDEX notices_at ON notices (at);

-- +goose Down
DROP TABLE notices;
