package bench

// What the time goes into, for the figures that can fall short: seen in profiles of these very runs
// (shomei bench --profile) and in timings of the single steps.
const (
	whyDecisions = "the server's fsync is most of it on both sides; of what is ours, two fifths are the Ed25519 signature of the commit, the rest is deciding, folding and encoding"

	whyActs = "an act costs about ten milliseconds of a core in the hub and its counters beside the floor's five: two and a half are the two RSA " +
		"signatures of both sides, the rest is Ed25519 and HPKE of sixteen messages, five followers and deciding. On the disk it costs " +
		"two or three syncs for a new person's keys beside the floor's sixteen, and while small batches are projected the engine syncs about as " +
		"often as all of the hub"

	whyReplay = "reading and decoding stay above the goal on an idle machine. Of a projection the hub's own part is about 7 µs a commit; " +
		"the rest is the engine's: a commit becomes rows in three tables with 57 columns, each synced, beside the floor's one with 18"
)
