-- One row per application (手続), as it stands now; merged like certificates.
CREATE TABLE IF NOT EXISTS {name} {on_cluster} (
    subscriber   String,
    procedure    String,
    operation    SimpleAggregateFunction(max, LowCardinality(String)),
    channel      SimpleAggregateFunction(max, LowCardinality(String)),
    regime       SimpleAggregateFunction(max, LowCardinality(String)),
    kinds        SimpleAggregateFunction(max, LowCardinality(String)),
    office       SimpleAggregateFunction(max, LowCardinality(String)),
    municipality SimpleAggregateFunction(max, LowCardinality(String)),
    card         SimpleAggregateFunction(max, String),
    refusal      SimpleAggregateFunction(max, LowCardinality(String)),
    fee_yen      SimpleAggregateFunction(max, UInt32),
    paid_yen     SimpleAggregateFunction(max, UInt32),
    filed        SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    letter       SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    accepted     SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    refused      SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    withdrawn    SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    keys         SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    issued       SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    written      SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    failed       SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo')),
    delivered    SimpleAggregateFunction(max, DateTime64(3, 'Asia/Tokyo'))
)
ENGINE = {replicated}AggregatingMergeTree
ORDER BY (subscriber, procedure)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
