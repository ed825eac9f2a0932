-- The state's first schema. Rules: single BIGINT primary keys out of one allocator (state.last_id), no foreign keys, no
-- unique constraint and no index beside the primary keys: look-ups join a page of 64-bit key hashes against rows that
-- stand clustered by link. Instants are UTC. Record fields are JSON texts.

CREATE TABLE state (
    id BIGINT PRIMARY KEY,              -- always 1
    identity VARCHAR NOT NULL,          -- ties the commit counter beside the file to this file
    commits BIGINT NOT NULL,            -- number of the last commit
    last_id BIGINT NOT NULL             -- highest id or mark number ever given out
);

CREATE TABLE link (
    id BIGINT PRIMARY KEY,
    name VARCHAR NOT NULL,
    condition VARCHAR NOT NULL,
    target_watermark VARCHAR,
    target_complete BOOLEAN NOT NULL,
    listed BOOLEAN NOT NULL,
    matched BOOLEAN NOT NULL,
    mapping_digest VARCHAR NOT NULL,
    reason VARCHAR,
    last_pass TIMESTAMP,
    quiet_passes BIGINT NOT NULL        -- passes without effect so far
);

CREATE TABLE crm (
    id BIGINT PRIMARY KEY,
    name VARCHAR NOT NULL,
    watermark VARCHAR NOT NULL
);

CREATE TABLE mark (
    id BIGINT PRIMARY KEY,              -- the mark's seq
    link_id BIGINT NOT NULL,
    side VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    key_hash BIGINT NOT NULL,
    deleted BOOLEAN NOT NULL,
    due TIMESTAMP,
    tries BIGINT NOT NULL
);

CREATE TABLE pairing (
    id BIGINT PRIMARY KEY,
    link_id BIGINT NOT NULL,
    entity VARCHAR NOT NULL,
    crm_key VARCHAR NOT NULL,
    target_key VARCHAR NOT NULL,
    crm_version VARCHAR,
    target_version VARCHAR,
    stamp VARCHAR,
    native VARCHAR,
    base_crm VARCHAR,                   -- NULL: no base yet
    base_target VARCHAR,                -- NULL beside a base_crm: both sides' bases are equal
    status VARCHAR NOT NULL,
    reason VARCHAR,
    crm_hash BIGINT NOT NULL,
    target_hash BIGINT NOT NULL,
    stamp_hash BIGINT,
    native_hash BIGINT,
    checksum BIGINT NOT NULL            -- over every column above but the hashes
);

CREATE TABLE candidate (
    id BIGINT PRIMARY KEY,
    link_id BIGINT NOT NULL,
    side VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    rule BIGINT NOT NULL,
    digest VARCHAR NOT NULL
);

CREATE TABLE intent (
    id BIGINT PRIMARY KEY,
    link_id BIGINT NOT NULL,
    token VARCHAR NOT NULL,
    side VARCHAR NOT NULL,
    operation VARCHAR NOT NULL,
    key VARCHAR,
    source_key VARCHAR,
    record VARCHAR NOT NULL,
    fields VARCHAR NOT NULL,
    native VARCHAR,
    run VARCHAR NOT NULL,
    noted_at TIMESTAMP NOT NULL
);

CREATE TABLE ledger (
    id BIGINT PRIMARY KEY,
    link_id BIGINT NOT NULL,
    run VARCHAR NOT NULL,
    side VARCHAR NOT NULL,
    operation VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    counterpart VARCHAR,
    before_fields VARCHAR,
    after_fields VARCHAR,
    reason VARCHAR NOT NULL,
    rule VARCHAR NOT NULL,
    written_at TIMESTAMP NOT NULL
);

CREATE TABLE conflict (
    id BIGINT PRIMARY KEY,
    link_id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    crm_key VARCHAR,
    target_key VARCHAR,
    field VARCHAR,
    base VARCHAR,
    crm VARCHAR,
    target VARCHAR,
    policy VARCHAR NOT NULL,
    winner VARCHAR,
    rule VARCHAR NOT NULL,
    run VARCHAR NOT NULL,
    found_at TIMESTAMP NOT NULL,
    crm_modified TIMESTAMP,
    target_modified TIMESTAMP,
    resolved_at TIMESTAMP,
    resolution VARCHAR
);

CREATE TABLE resolution (
    id BIGINT PRIMARY KEY,
    link_id BIGINT NOT NULL,
    conflict VARCHAR NOT NULL,
    crm_key VARCHAR,
    target_key VARCHAR,
    field VARCHAR,
    take VARCHAR NOT NULL,
    taken_values VARCHAR,
    decided_at TIMESTAMP NOT NULL
);

CREATE TABLE quarantine (
    id BIGINT PRIMARY KEY,
    link_id BIGINT NOT NULL,
    side VARCHAR NOT NULL,
    key VARCHAR NOT NULL,
    code VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    first_at TIMESTAMP NOT NULL,
    last_at TIMESTAMP NOT NULL,
    tries BIGINT NOT NULL,
    next_try TIMESTAMP
);

CREATE TABLE run (
    id BIGINT PRIMARY KEY,
    link_id BIGINT NOT NULL,
    run VARCHAR NOT NULL,
    started TIMESTAMP NOT NULL,
    finished TIMESTAMP NOT NULL,
    outcome VARCHAR NOT NULL,
    counts VARCHAR NOT NULL,
    message VARCHAR
);
