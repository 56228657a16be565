-- One row per event that touches a physical card: what was done to it, and until when it is valid.
CREATE TABLE IF NOT EXISTS {name} {on_cluster} (
    kind      LowCardinality(String),
    id        String,
    revision  UInt64,
    `index`     UInt16,
    card      String,
    event     LowCardinality(String),
    card_kind LowCardinality(String),
    last_day  Date32,
    ends      Bool,
    filed     DateTime64(3, 'Asia/Tokyo'),
    recorded  DateTime64(3, 'Asia/Tokyo'),
    office    LowCardinality(String),
    counter   LowCardinality(String),
    procedure String,
    stage     LowCardinality(String),
    reason    LowCardinality(String)
)
ENGINE = {replicated}ReplacingMergeTree
ORDER BY (kind, id, revision, `index`)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
