-- Intents that one commit makes durable stand several in a row: they are written, and nearly always closed, together. A row of
-- its own for each cost more than the pairing that comes of it.

CREATE TABLE intent_batch (
    id BIGINT PRIMARY KEY,
    link_id BIGINT NOT NULL,
    side VARCHAR NOT NULL,
    operation VARCHAR NOT NULL,
    fields VARCHAR NOT NULL,            -- JSON list, sorted
    run VARCHAR NOT NULL,
    noted_at TIMESTAMP NOT NULL,
    open BIGINT NOT NULL,               -- how many stand in the two lists
    writes VARCHAR NOT NULL,            -- JSON list of [token, key, source_key, native]
    records VARCHAR NOT NULL            -- JSON list of record fields, in the same order
);

INSERT INTO intent_batch
SELECT id, link_id, side, operation, fields, run, noted_at, 1,
       CAST(json_array(json_array(token, key, source_key, native)) AS VARCHAR), '[' || record || ']'
FROM intent;

DROP TABLE intent;
