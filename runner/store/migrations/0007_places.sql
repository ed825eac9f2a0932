-- Where mailboxes live, as Autodiscover has told.

CREATE TABLE place (
    id BIGINT PRIMARY KEY,
    target VARCHAR NOT NULL,
    address VARCHAR NOT NULL,
    endpoint VARCHAR NOT NULL,
    affinity VARCHAR NOT NULL,          -- GroupingInformation
    found_at TIMESTAMP NOT NULL
);
