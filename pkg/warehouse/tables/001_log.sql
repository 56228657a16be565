-- One row per event. Identity is (kind, id, revision, index); a row that comes twice is the same row.
-- No personal data: sealed fields stay in the log.
CREATE TABLE IF NOT EXISTS {name} {on_cluster} (
    kind         LowCardinality(String),
    id           String,
    revision     UInt64,
    `index`        UInt16,
    event        LowCardinality(String),
    rules        Array(LowCardinality(String)),
    caused       DateTime64(3, 'Asia/Tokyo'),
    filed        DateTime64(3, 'Asia/Tokyo'),
    recorded     DateTime64(3, 'Asia/Tokyo'),
    office       LowCardinality(String),
    counter      LowCardinality(String),
    actor_kind   LowCardinality(String),
    actor        LowCardinality(String),
    correlation  String,
    procedure    String,
    card         String,
    municipality LowCardinality(String),
    serials      Array(UInt64)
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (kind, id, revision, `index`)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
