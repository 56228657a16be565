package events

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// The kinds of aggregate in the log. A kind is the third token of a log subject.
const (
	// KindSubscriber is one person (利用者): certificates, procedures, holds, notices.
	KindSubscriber = "subscriber"
	// KindCard is one physical card.
	KindCard = "card"
	// KindOffice is a place with counters.
	KindOffice = "office"
	// KindAuthority is a certification authority, or the log itself under the id AuthorityLog.
	KindAuthority = "authority"
	// KindAccess records who looked at whom.
	KindAccess = "access"
	// KindQuarantine holds facts that belong to nobody known.
	KindQuarantine = "quarantine"
	// KindApproval is one act that waits for a second officer.
	KindApproval = "approval"
)

// AuthorityLog is the id of the authority that holds facts about the log as a whole.
const AuthorityLog = "log"

// AuthorityWriters is the id of the authority under which the writers of the log are enrolled and retired.
const AuthorityWriters = "writers"

// OrdersPrefix begins the id of every approval that holds operators' orders. No act of an officer waits under such an id.
const OrdersPrefix = "order-"

// AuthorityFeed is the id of the authority under which the readers of the outward feed are enrolled and retired.
const AuthorityFeed = "feed"

// FeedSubjects matches everything that is published about a prefecture, by its code of two digits, to readers outside.
func FeedSubjects(prefecture string) string { return "shomei.feed." + prefecture + ".>" }

// Kinds lists every kind of aggregate.
var Kinds = []string{KindSubscriber, KindCard, KindOffice, KindAuthority, KindAccess, KindQuarantine, KindApproval}

// Shards is the number of shards of the log. It can't change: subjects of old commits carry them.
const Shards = 4096

// LogSubjects matches every subject of the log.
const LogSubjects = "shomei.log.>"

const (
	logPrefix = "shomei.log."
	maxID     = 64
)

// ValidID reports whether an id may stand in a subject: 1 to 64 of A-Z a-z 0-9 _ -.
func ValidID(id string) bool {
	if id == "" || len(id) > maxID {
		return false
	}
	for i := range len(id) {
		if !idByte(id[i]) {
			return false
		}
	}
	return true
}

// CaseNumber returns the number by which people know a procedure (受付番号): the end of its id. Several procedures can
// have the same.
func CaseNumber(procedure string) string { return procedure[max(0, len(procedure)-caseDigits):] }

const caseDigits = 8

func idByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// Shard returns the first 12 bits of SHA-256 of an id: 0 to 4095.
func Shard(id string) int {
	sum := sha256.Sum256([]byte(id))
	return int(binary.BigEndian.Uint16(sum[:2]) >> 4)
}

// LogSubject returns the subject of an aggregate: shomei.log.<kind>.<shard>.<id>, the shard as three lower-case hex
// digits.
func LogSubject(kind, id string) string {
	return fmt.Sprintf("%s%s.%03x.%s", logPrefix, kind, Shard(id), id)
}

// KindSubjects returns the wildcard for all subjects of a kind, to filter consumers.
func KindSubjects(kind string) string { return logPrefix + kind + ".>" }

// ParseLogSubject is the inverse of LogSubject. It fails if the subject has another form, or if its shard is not the
// shard of its id.
func ParseLogSubject(subject string) (kind, id string, err error) {
	rest, ok := strings.CutPrefix(subject, logPrefix)
	if !ok {
		return "", "", fmt.Errorf("subject %q does not begin with %s", subject, logPrefix)
	}
	kind, rest, _ = strings.Cut(rest, ".")
	shard, id, _ := strings.Cut(rest, ".")
	if kind == "" || !ValidID(id) {
		return "", "", fmt.Errorf("subject %q is not %s<kind>.<shard>.<id>", subject, logPrefix)
	}
	if shard != fmt.Sprintf("%03x", Shard(id)) {
		return "", "", fmt.Errorf("subject %q names shard %s, but its id belongs to %03x", subject, shard, Shard(id))
	}
	return kind, id, nil
}

// StreamOfShard returns which of n streams owns a shard: stream i owns a contiguous range. n is 1 to 4096.
func StreamOfShard(shard, n int) int { return shard * n / Shards }

// StreamShards returns the range of shards, inclusive, that stream i of n owns.
func StreamShards(i, n int) (first, last int) {
	return ceilDiv(i*Shards, n), ceilDiv((i+1)*Shards, n) - 1
}

// StreamName names stream i of n by the shards it owns: shomei-log-000-fff if there is one.
func StreamName(i, n int) string {
	first, last := StreamShards(i, n)
	return fmt.Sprintf("%s%03x-%03x", StreamPrefix, first, last)
}

// StreamPrefix is the prefix of the names of the log's streams.
const StreamPrefix = "shomei-log-"

// StreamSubjects lists the subjects of stream i of n.
func StreamSubjects(i, n int) []string {
	if n == 1 {
		return []string{LogSubjects}
	}
	first, last := StreamShards(i, n)
	subjects := make([]string, 0, last-first+1)
	for shard := first; shard <= last; shard++ {
		subjects = append(subjects, fmt.Sprintf("%s*.%03x.*", logPrefix, shard))
	}
	return subjects
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
