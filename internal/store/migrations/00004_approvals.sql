-- +goose Up

-- What people have granted to programs that know only a password (approval),
-- or what the log showed them to use all along (adopted). An empty column pins
-- nothing. Times are nanoseconds since 1970; 0 is never.
CREATE TABLE windows (
    id        TEXT PRIMARY KEY,
    person    TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    kind      TEXT NOT NULL CHECK (kind IN ('approval', 'adopted')),
    protocols TEXT NOT NULL,
    program   TEXT NOT NULL,
    ja4       TEXT NOT NULL,
    network   TEXT NOT NULL,
    asn       INTEGER NOT NULL,
    owner     TEXT NOT NULL,
    country   TEXT NOT NULL,
    created   INTEGER NOT NULL,
    expires   INTEGER NOT NULL,
    used      INTEGER NOT NULL,
    made_by   TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX windows_person ON windows (person);

-- Right passwords that were refused for want of a window, equal ones counted
-- together. refs are the references that the program was shown, newest first.
CREATE TABLE requests (
    id       TEXT PRIMARY KEY,
    person   TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    refs     TEXT NOT NULL,
    protocol TEXT NOT NULL,
    program  TEXT NOT NULL,
    ja4      TEXT NOT NULL,
    addr     TEXT NOT NULL,
    country  TEXT NOT NULL,
    asn      INTEGER NOT NULL,
    owner    TEXT NOT NULL,
    first    INTEGER NOT NULL,
    last     INTEGER NOT NULL,
    count    INTEGER NOT NULL,
    state    TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'denied', 'expired'))
) WITHOUT ROWID;
CREATE INDEX requests_person ON requests (person, last);
CREATE INDEX requests_last ON requests (last);

-- Networks of which a person has said that it is not them.
CREATE TABLE denials (
    id      TEXT PRIMARY KEY,
    person  TEXT NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    at      INTEGER NOT NULL,
    until   INTEGER NOT NULL,
    made_by TEXT NOT NULL,
    UNIQUE (person, network)
) WITHOUT ROWID;

-- +goose Down
DROP TABLE denials;
DROP TABLE requests;
DROP TABLE windows;
