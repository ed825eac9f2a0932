-- Snapshots that a service carries out by slices: how far each link's newest one has come, and the changes that were approved.

CREATE TABLE headway (
    id BIGINT PRIMARY KEY,
    link_id BIGINT NOT NULL,
    run VARCHAR NOT NULL,
    errand VARCHAR NOT NULL,            -- what it takes: ranges, kinds, rate
    started TIMESTAMP NOT NULL,
    go_on TIMESTAMP NOT NULL,
    stage VARCHAR NOT NULL,
    cursor VARCHAR NOT NULL,
    done BIGINT NOT NULL,
    due BIGINT NOT NULL,
    rounds BIGINT NOT NULL,
    again BIGINT NOT NULL,
    wanted VARCHAR NOT NULL,
    counts VARCHAR NOT NULL,
    finished TIMESTAMP,
    reason VARCHAR
);

CREATE TABLE approval (
    id BIGINT PRIMARY KEY,
    link_id BIGINT NOT NULL,
    prints VARCHAR NOT NULL             -- fingerprints, without a value of any item
);
