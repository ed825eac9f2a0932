-- What the service keeps beside the items: queue messages and their statistics, operators' suspensions and acts.

CREATE TABLE message (
    id BIGINT PRIMARY KEY,              -- the queue's own number
    link VARCHAR NOT NULL,              -- by name: a message may come before anything of its link was stored
    target VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    priority BIGINT NOT NULL,
    cause VARCHAR NOT NULL,
    put_at TIMESTAMP NOT NULL,
    hints BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    due TIMESTAMP,
    held_since TIMESTAMP,
    reason VARCHAR
);

CREATE TABLE queue_sample (
    id BIGINT PRIMARY KEY,
    target VARCHAR NOT NULL,
    sampled_at TIMESTAMP NOT NULL,
    sent BIGINT NOT NULL,
    received BIGINT NOT NULL,
    backlog BIGINT NOT NULL,
    blocked BIGINT NOT NULL,
    oldest DOUBLE NOT NULL,             -- seconds
    mean DOUBLE NOT NULL                -- seconds
);

CREATE TABLE suspension (
    id BIGINT PRIMARY KEY,
    scope VARCHAR NOT NULL,             -- all, target, link
    name VARCHAR NOT NULL,
    by_whom VARCHAR NOT NULL,
    since TIMESTAMP NOT NULL,
    reason VARCHAR
);

CREATE TABLE act (
    id BIGINT PRIMARY KEY,
    done_at TIMESTAMP NOT NULL,
    who VARCHAR NOT NULL,
    what VARCHAR NOT NULL,
    subject VARCHAR NOT NULL,
    detail VARCHAR
);
