-- What the history is counted by: a failed pass's error code, and how long its message had waited.

ALTER TABLE run ADD COLUMN code VARCHAR;
ALTER TABLE run ADD COLUMN waited DOUBLE;
