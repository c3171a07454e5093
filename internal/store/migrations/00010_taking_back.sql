-- +goose Up

-- By which way a change came: socket, system, revert; empty where the actor's name says it.
ALTER TABLE audit ADD COLUMN origin TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE audit DROP COLUMN origin;
