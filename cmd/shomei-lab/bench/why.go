package bench

// Where the time goes, for the figures that can fall short: seen in profiles of these very runs (shomei-lab bench
// --profile) and in timings of single steps.
const (
	whyDecisions = "the server's fsync is most of it on both sides; of what is ours, two fifths are the Ed25519 signature of the commit, the rest is deciding, folding and encoding"

	whyActs = "what an act costs beside its floor stands in the line of its processor time. Of a profile of acts (2026-11-30) a sixth is the server writing " +
		"and syncing sixteen messages, an eighth the two RSA signatures (both sides have those), a seventh the server passing messages from account to " +
		"account, a tenth Ed25519 and HPKE of sixteen messages, a tenth memory and its collection, a twentieth protobuf; of our services issuer without its signatures, ra and " +
		"dispatcher take a twentieth to a tenth each. On the disk it costs two more syncs for a new person's keys beside the floor's sixteen, two a second and counter for " +
		"how far it has come, and the tables' ten a second and table"

	whyReplay = "the processor time below is what bounds it on two cores, and it goes with the machine: a projection reached 123,000 commits/s where a commit cost " +
		"13 µs in the hub and 3 in the engine (2026-11-23). Three fifths of the hub's part are reading and decoding (half of that the server and its client, " +
		"the rest protobuf and the collector), a fifth making columns of three tables with 57 fields and sending them; half of the engine's is the wide table " +
		"of certificates, and merges come on top when a table has grown to six parts of 50,000 commits"
)
