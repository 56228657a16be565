package bench

// What the time goes into, for the figures that can fall short: seen in profiles of these very runs
// (shomei bench --profile) and in timings of the single steps.
const (
	whyDecisions = "the server's fsync is most of it on both sides; of what is ours, two fifths are the Ed25519 signature of the commit, the rest is deciding, folding and encoding"

	whyActs = "the hub is on a core for less than half of the time. An act reads the log about thirty times (heads, counts, three histories), " +
		"and the server keeps the stream's lock while it syncs, so each read waits about as long as a write. Followers take the log in " +
		"batches, so each of their five turns in an act waits for the slowest subscriber of its batch; a new person's keys sync once more"

	whyReplay = "reading and decoding stay above the goal on an idle machine. Of a projection the hub's own part is about 7 µs a commit; " +
		"the rest is the engine's: a commit becomes rows in three tables with 57 columns, each synced, beside the floor's one with 18"
)
