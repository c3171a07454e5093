-- +goose Up

-- Who may open whose mailbox. subject is the id of the mailbox's person, of a
-- group of them, or empty for everybody's; protocols are names separated by
-- commas, empty for all; until is 0 for no end.
CREATE TABLE delegations (
    id        TEXT PRIMARY KEY,
    scope     TEXT NOT NULL CHECK (scope IN ('mailbox', 'group', 'all')),
    subject   TEXT NOT NULL,
    person    TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    protocols TEXT NOT NULL,
    until     INTEGER NOT NULL,
    created   INTEGER NOT NULL,
    UNIQUE (scope, subject, person)
) WITHOUT ROWID;
CREATE INDEX delegations_person ON delegations (person);

-- +goose Down
DROP TABLE delegations;
