-- Audits: how far each link's newest one has come, what it found, and when both sides were last proven equal.

CREATE TABLE proof (
    id BIGINT PRIMARY KEY,
    link_id BIGINT NOT NULL,
    started TIMESTAMP NOT NULL,
    phase VARCHAR NOT NULL,
    cursor VARCHAR NOT NULL,            -- a pairing's id, or the target's watermark
    counts VARCHAR NOT NULL,
    found VARCHAR NOT NULL,             -- keys only
    finished TIMESTAMP,
    proven TIMESTAMP
);
