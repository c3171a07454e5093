-- +goose Up

-- The programs that may ask for tokens. print is a keyed fingerprint of a
-- confidential one's secret, which is nowhere. A row whose kind is builtin holds
-- only what was said about a client that comes with the program, and when it
-- was used. Lists are JSON, times nanoseconds since 1970.
CREATE TABLE clients (
    id               TEXT PRIMARY KEY,
    kind             TEXT NOT NULL, -- builtin, registered, managed
    name             TEXT NOT NULL,
    state            TEXT NOT NULL, -- open, allowed, forbidden
    public           INTEGER NOT NULL,
    redirects        TEXT NOT NULL,
    post_logout      TEXT NOT NULL,
    back_channel     TEXT NOT NULL,
    grants           TEXT NOT NULL,
    scope_limit      TEXT NOT NULL, -- empty: none
    uri              TEXT NOT NULL,
    software         TEXT NOT NULL,
    software_version TEXT NOT NULL,
    id_token_alg     TEXT NOT NULL,
    account          TEXT NOT NULL, -- person's id
    network          TEXT NOT NULL, -- that a registered one came from
    print            BLOB NOT NULL,
    created          INTEGER NOT NULL,
    used             INTEGER NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE clients;
