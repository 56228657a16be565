-- One row for each thing that is counted about an event: an application that was received, a certificate that was issued
-- or ended, an item of a fee, a notice, an operation on a card. What a question filters by comes first in the key, so that
-- one office's days are read and nothing else; the event's own place in the log makes a row that comes twice the same row.
-- A month of recording is a partition: a row's copies never lie in two, so that FINAL reads a merged month as it is.
CREATE TABLE IF NOT EXISTS {name} {on_cluster} (
    fact             LowCardinality(String),
    municipality     LowCardinality(String),
    office           LowCardinality(String),
    day              Date32,
    id               String,
    revision         UInt64,
    `index`            UInt16,
    part             UInt16,
    recorded         DateTime64(3, 'Asia/Tokyo'),
    outcome          LowCardinality(String),
    regime           LowCardinality(String),
    kind             LowCardinality(String),
    carrier          LowCardinality(String),
    operation        LowCardinality(String),
    channel          LowCardinality(String),
    reason           LowCardinality(String),
    cause            LowCardinality(String),
    rule             LowCardinality(String),
    stage            LowCardinality(String),
    notice           LowCardinality(String),
    medium           LowCardinality(String),
    yen              UInt32,
    prefecture       String ALIAS left(municipality, 2)
)
ENGINE = {replicated}ReplacingMergeTree
PARTITION BY toYYYYMM(recorded)
ORDER BY (fact, municipality, office, day, id, revision, `index`, part)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, min_age_to_force_merge_seconds = 3600,
    min_age_to_force_merge_on_partition_only = 1;
