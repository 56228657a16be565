-- How far each stream has been applied. A rebuild raises the generation, so that a follower of the old tables can't
-- claim progress for the new ones.
CREATE TABLE IF NOT EXISTS {name} {on_cluster} (
    generation UInt64,
    stream     String,
    sequence   UInt64
)
ENGINE = {replicated}ReplacingMergeTree(sequence)
ORDER BY (generation, stream)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
