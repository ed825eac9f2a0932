-- The ledger as a chain: every row's link is made of the row and of the link before it.

ALTER TABLE ledger ADD COLUMN salt VARCHAR;       -- NULL once the values were forgotten (B-35)
ALTER TABLE ledger ADD COLUMN content VARCHAR;    -- salted digest of both values
ALTER TABLE ledger ADD COLUMN chain VARCHAR;

ALTER TABLE state ADD COLUMN ledger_head VARCHAR DEFAULT '';

CREATE TABLE ledger_anchor (            -- where the chain begins: after this row of the ledger, with this link
    id BIGINT PRIMARY KEY,
    last_id BIGINT NOT NULL,
    chain VARCHAR NOT NULL,
    pruned BIGINT NOT NULL              -- rows that were dropped on an operator's word
);

INSERT INTO ledger_anchor SELECT 1, coalesce(max(id), 0), '', 0 FROM ledger;
