-- +goose Up

-- Second factors. unique_key is what no two rows of a kind may share: a
-- passkey's credential id, the keyed hash of a seed. counter only grows: the
-- last time step of a code, or a key's signature counter. sealed is the seed or
-- the public key, sealed for its person by the master key, which is not here.
CREATE TABLE factors (
    id         TEXT PRIMARY KEY,
    person     TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL CHECK (kind IN ('totp', 'passkey')),
    name       TEXT NOT NULL,
    created    INTEGER NOT NULL,
    used       INTEGER NOT NULL DEFAULT 0,
    by_pass    INTEGER NOT NULL,
    aaguid     TEXT NOT NULL DEFAULT '',
    unique_key BLOB NOT NULL,
    sealed     BLOB NOT NULL,
    counter    INTEGER NOT NULL,
    UNIQUE (kind, unique_key)
) WITHOUT ROWID;
CREATE INDEX factors_person ON factors (person);

-- Codes that can still be used; one that was used is gone. print is a keyed hash.
CREATE TABLE recovery_codes (
    person  TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    print   BLOB NOT NULL,
    created INTEGER NOT NULL,
    PRIMARY KEY (person, print)
) WITHOUT ROWID;

-- A person has one pass at most.
CREATE TABLE passes (
    person   TEXT PRIMARY KEY REFERENCES people (id) ON DELETE CASCADE,
    id       TEXT NOT NULL UNIQUE,
    print    BLOB NOT NULL,
    created  INTEGER NOT NULL,
    issuer   TEXT NOT NULL,
    starts   INTEGER NOT NULL,
    ends     INTEGER NOT NULL,
    one_time INTEGER NOT NULL,
    used     INTEGER NOT NULL DEFAULT 0,
    uses     INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE browsers (
    print   BLOB PRIMARY KEY,
    person  TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    created INTEGER NOT NULL,
    until   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX browsers_person ON browsers (person, created);

-- Challenges that were answered, until they run out by themselves.
CREATE TABLE answered (
    print BLOB PRIMARY KEY,
    until INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX answered_until ON answered (until);

-- +goose Down
DROP TABLE answered;
DROP TABLE browsers;
DROP TABLE passes;
DROP TABLE recovery_codes;
DROP TABLE factors;
