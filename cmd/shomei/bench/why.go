package bench

// What the time goes into, for the figures that can fall short: seen in profiles of these very runs
// (shomei bench --profile) and in timings of the single steps.
const (
	whyDecisions = "the server's fsync is most of it on both sides; of what is ours, two fifths are the Ed25519 signature of the commit, the rest is deciding, folding and encoding"

	whyActs = "an act costs about eleven milliseconds of a core in the hub and its counters beside the floor's four: two and a half are the two RSA " +
		"signatures of both sides, the rest is Ed25519 and HPKE of sixteen messages, five followers and deciding. On the disk it costs " +
		"two or three syncs for a new person's keys beside the floor's sixteen, and while small batches are projected the engine syncs about as " +
		"often as all of the hub"

	whyReplay = "a commit of one event costs about 13 µs of a core, so two idle cores project some 140,000 a second and busy ones fewer. " +
		"Seven and a half of them are reading and decoding it (four the server and its client, the rest protobuf and the collector), " +
		"two and a half making columns of three tables with 57 fields and sending them, three the engine's, of which the wide table of certificates is half; " +
		"merges come on top when a table has grown to six parts of 50,000 commits"
)
