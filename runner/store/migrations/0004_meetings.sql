-- Meetings: whose copy speaks, and mail to attendees with what it cost.

CREATE TABLE master (
    id BIGINT PRIMARY KEY,
    link_id BIGINT NOT NULL,
    native VARCHAR NOT NULL,
    native_hash BIGINT NOT NULL,
    rank VARCHAR NOT NULL
);

CREATE TABLE mail (
    id BIGINT PRIMARY KEY,
    link_id BIGINT NOT NULL,
    name VARCHAR NOT NULL,
    mailbox VARCHAR NOT NULL,           -- the user in whose name it goes
    crm_key VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    addressees BIGINT NOT NULL,
    status VARCHAR NOT NULL,
    reason VARCHAR NOT NULL,
    title VARCHAR,                      -- NULL for what is private
    rule VARCHAR NOT NULL,
    run VARCHAR NOT NULL,
    noted_at TIMESTAMP NOT NULL
);
