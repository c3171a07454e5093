-- +goose Up

-- origin is the OpenID provider that last said so, empty where we say so ourselves.
ALTER TABLE members ADD COLUMN origin TEXT NOT NULL DEFAULT '';

-- Whom a provider means by a subject: its own lasting id of somebody who signed in there.
CREATE TABLE subjects (
    provider TEXT NOT NULL,
    subject  TEXT NOT NULL,
    person   TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    PRIMARY KEY (provider, subject, person)
) WITHOUT ROWID;
CREATE INDEX subjects_person ON subjects (person);

-- +goose Down
DROP TABLE subjects;
ALTER TABLE members DROP COLUMN origin;
