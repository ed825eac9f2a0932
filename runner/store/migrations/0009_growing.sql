-- Expanding first syncs: the step that a link is in (0: none), and the last minute that it has given out. When its scheduled
-- snapshot last ran.

ALTER TABLE link ADD COLUMN step BIGINT DEFAULT 0;
ALTER TABLE link ADD COLUMN step_until TIMESTAMP;
ALTER TABLE link ADD COLUMN snapshot_at TIMESTAMP;
