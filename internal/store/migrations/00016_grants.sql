-- +goose Up

-- What programs' tokens hang on. facts is JSON: what the tokens say, and how the
-- person proved who they are; methods are repeated beside it, because a new
-- password ends what an old one proved. seed goes into the refresh tokens'
-- codes of authenticity, of which none is kept; generation is the valid one's
-- number, rotated when the last came to be and rotated_in from which network.
-- live is when it came to life, 0 while its code has not been redeemed. used is
-- the last refresh, until when it runs out (0: never), ended when it was ended
-- and reason why. Times are nanoseconds since 1970.
CREATE TABLE grants (
    id         TEXT PRIMARY KEY,
    person     TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    client     TEXT NOT NULL,
    facts      TEXT NOT NULL,
    methods    INTEGER NOT NULL,
    seed       BLOB NOT NULL,
    generation INTEGER NOT NULL DEFAULT 1,
    rotated    INTEGER NOT NULL DEFAULT 0,
    rotated_in TEXT NOT NULL DEFAULT '',
    created    INTEGER NOT NULL,
    live       INTEGER NOT NULL DEFAULT 0,
    used       INTEGER NOT NULL,
    until      INTEGER NOT NULL,
    ended      INTEGER NOT NULL DEFAULT 0,
    reason     TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX grants_person ON grants (person);

-- Codes that programs redeem for a grant, each once: authorization codes, and
-- device codes that were approved. Of a code only its SHA-256 is kept. A used
-- one stays as long as its grant: its second use ends that.
CREATE TABLE grant_codes (
    hash      BLOB PRIMARY KEY,
    grant_id  TEXT NOT NULL REFERENCES grants (id) ON DELETE CASCADE,
    client    TEXT NOT NULL,
    redirect  TEXT NOT NULL,
    challenge TEXT NOT NULL, -- PKCE, S256
    until     INTEGER NOT NULL,
    used      INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX grant_codes_grant ON grant_codes (grant_id);

-- What a person has allowed a program, and is not asked again.
CREATE TABLE consents (
    person TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    client TEXT NOT NULL,
    scope  TEXT NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (person, client)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE consents;
DROP TABLE grant_codes;
DROP TABLE grants;
