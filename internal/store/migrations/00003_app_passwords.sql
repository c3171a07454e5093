-- +goose Up

-- id is embedded in the password's text; print is the keyed fingerprint of the
-- rest, of which nothing can be read back. scope, bound and pending are JSON.
-- used is the first use, 0 before it: whoever sets it binds the password.
CREATE TABLE app_passwords (
    id         TEXT PRIMARY KEY,
    person     TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    name       TEXT NOT NULL,
    print      BLOB NOT NULL,
    scope      TEXT NOT NULL,
    created    INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    used       INTEGER NOT NULL DEFAULT 0,
    last       INTEGER NOT NULL DEFAULT 0,
    last_addr  TEXT NOT NULL DEFAULT '',
    last_program TEXT NOT NULL DEFAULT '',
    bound      TEXT NOT NULL DEFAULT '',
    pending    TEXT NOT NULL DEFAULT '',
    revoked    INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX app_passwords_person ON app_passwords (person);

-- +goose Down
DROP TABLE app_passwords;
