-- SPDX-FileCopyrightText: 2026 The Tillguard authors
-- SPDX-License-Identifier: Apache-2.0
-- Which terminal is bound to whom, and how it came by its certificates. What was believed stands here as it was signed.

-- Where each terminal stands now. One machine is bound once: its serial number serves again only when it has retired.
CREATE TABLE enrolments (
    terminal TEXT PRIMARY KEY,
    life TEXT NOT NULL,
    version BIGINT NOT NULL,
    serial TEXT NOT NULL
);
CREATE UNIQUE INDEX one_machine ON enrolments (serial) WHERE life <> 'retired';

-- Every step of every life. Whoever takes a step writes the next number: two at once cannot.
CREATE TABLE life_steps (
    terminal TEXT NOT NULL REFERENCES enrolments,
    number BIGINT NOT NULL,
    step TEXT NOT NULL,
    life TEXT NOT NULL,
    persons TEXT NOT NULL,
    envelope BYTEA NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (terminal, number)
);

CREATE TABLE bindings (
    terminal TEXT NOT NULL REFERENCES enrolments,
    version BIGINT NOT NULL,
    acquirer TEXT NOT NULL,
    merchant TEXT NOT NULL,
    licence TEXT NOT NULL,
    serial TEXT NOT NULL,
    location TEXT NOT NULL,
    from_ms BIGINT NOT NULL,
    PRIMARY KEY (terminal, version)
);

CREATE TABLE applications (
    digest TEXT PRIMARY KEY,
    terminal TEXT NOT NULL,
    octets BYTEA NOT NULL,
    endorsed TEXT NOT NULL,
    at_ms BIGINT NOT NULL
);

-- What was said of an application, once: faults by field, empty where it was accepted.
CREATE TABLE reviews (
    application TEXT PRIMARY KEY REFERENCES applications,
    faults TEXT NOT NULL,
    person TEXT NOT NULL,
    at_ms BIGINT NOT NULL
);

-- The code itself is nowhere: only what it proves for its application. A try is written before it is judged.
CREATE TABLE activations (
    application TEXT PRIMARY KEY REFERENCES applications,
    proof TEXT NOT NULL,
    until_ms BIGINT NOT NULL
);
CREATE TABLE activation_tries (
    application TEXT NOT NULL REFERENCES applications,
    number BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    PRIMARY KEY (application, number)
);

-- One application, one certificate.
CREATE TABLE certificates (
    application TEXT PRIMARY KEY REFERENCES applications,
    serial TEXT NOT NULL UNIQUE,
    terminal TEXT NOT NULL,
    key_id TEXT NOT NULL,
    pem BYTEA NOT NULL,
    ends_ms BIGINT NOT NULL
);
CREATE TABLE revocations (
    serial TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    at_ms BIGINT NOT NULL
);
