-- One row per certificate, as it stands now. Every event adds the columns it knows: facts that never change, and
-- milestones that happen once. Their maximum is the whole row, in whatever order and however often events arrive, and
-- milestones up to an instant are the state at that instant. The epoch (1970-01-01) means "not".
CREATE TABLE IF NOT EXISTS {name} {on_cluster} (
    serial        UInt64,
    kind          SimpleAggregateFunction(max, LowCardinality(String)),
    regime        SimpleAggregateFunction(max, LowCardinality(String)),
    subscriber    SimpleAggregateFunction(max, String),
    office        SimpleAggregateFunction(max, LowCardinality(String)),
    municipality  SimpleAggregateFunction(max, LowCardinality(String)),
    card          SimpleAggregateFunction(max, String),
    authority     SimpleAggregateFunction(max, LowCardinality(String)),
    procedure     SimpleAggregateFunction(max, String),
    replaces      SimpleAggregateFunction(max, UInt64),
    not_before    SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    not_after     SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    last_day      SimpleAggregateFunction(max, Date32),
    window_opens  SimpleAggregateFunction(max, Date32),
    authorized    SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    issued        SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    written       SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    delivered     SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    window_opened SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    suspended     SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    revoked       SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    expired       SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    abandoned     SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    reason        SimpleAggregateFunction(max, LowCardinality(String)),
    cause         SimpleAggregateFunction(max, LowCardinality(String)),
    suspend_cause SimpleAggregateFunction(max, LowCardinality(String)),
    revision      SimpleAggregateFunction(max, UInt64)
)
ENGINE = {replicated}AggregatingMergeTree
ORDER BY serial
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 1024;
