-- +goose Up

-- Administrators' tokens for the interface over HTTPS. print is a keyed
-- fingerprint of the secret, which is nowhere; times are nanoseconds since 1970.
CREATE TABLE admin_tokens (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE COLLATE NOCASE,
    print       BLOB NOT NULL UNIQUE,
    role        TEXT NOT NULL,
    scopes      TEXT NOT NULL, -- separated by spaces; empty: all of the role's
    networks    TEXT NOT NULL, -- separated by spaces; empty: from anywhere
    created     INTEGER NOT NULL,
    issuer      TEXT NOT NULL,
    expires     INTEGER NOT NULL,
    used        INTEGER NOT NULL,
    used_from   TEXT NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE admin_tokens;
