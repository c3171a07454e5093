-- +goose Up

-- When a confidential client's secret was made, and the one before it, which is
-- good for some time yet. Times are nanoseconds since 1970.
ALTER TABLE clients ADD COLUMN secret_made INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN old_print BLOB NOT NULL DEFAULT x'';
ALTER TABLE clients ADD COLUMN old_made INTEGER NOT NULL DEFAULT 0;
ALTER TABLE clients ADD COLUMN old_until INTEGER NOT NULL DEFAULT 0;
UPDATE clients SET secret_made = created WHERE length(print) > 0;

-- +goose Down
ALTER TABLE clients DROP COLUMN secret_made;
ALTER TABLE clients DROP COLUMN old_print;
ALTER TABLE clients DROP COLUMN old_made;
ALTER TABLE clients DROP COLUMN old_until;
