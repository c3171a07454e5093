-- +goose Up

-- The language (BCP 47) in which somebody last read the portal, for mails to them.
CREATE TABLE languages (
    person TEXT PRIMARY KEY REFERENCES people (id) ON DELETE CASCADE,
    lang   TEXT NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE languages;
