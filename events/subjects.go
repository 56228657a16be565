package events

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// The kinds of aggregate the log knows. A kind is the third token of a log subject.
const (
	// KindSubscriber is one person (利用者): certificates, procedures, holds, notices.
	KindSubscriber = "subscriber"
	// KindCard is one physical card.
	KindCard = "card"
	// KindOffice is a place with counters.
	KindOffice = "office"
	// KindAuthority is a certification authority, or the log itself under the id AuthorityLog.
	KindAuthority = "authority"
	// KindAccess is who looked at whom.
	KindAccess = "access"
	// KindQuarantine is facts that belong to nobody known.
	KindQuarantine = "quarantine"
)

// AuthorityLog is the id of the authority that holds facts about the log as a whole.
const AuthorityLog = "log"

// Kinds lists every kind of aggregate.
var Kinds = []string{KindSubscriber, KindCard, KindOffice, KindAuthority, KindAccess, KindQuarantine}

// Shards is how many shards the log has. It can't change: subjects of old commits carry it.
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

// CaseNumber is the number under which people know a procedure (受付番号): the end of its id. Several can have the same.
func CaseNumber(procedure string) string { return procedure[max(0, len(procedure)-caseDigits):] }

const caseDigits = 8

func idByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

// Shard is the first 12 bits of SHA-256 of an id: 0 to 4095.
func Shard(id string) int {
	sum := sha256.Sum256([]byte(id))
	return int(binary.BigEndian.Uint16(sum[:2]) >> 4)
}

// LogSubject is the subject of an aggregate: shomei.log.<kind>.<shard>.<id>, the shard as three lower-case hex digits.
func LogSubject(kind, id string) string {
	return fmt.Sprintf("%s%s.%03x.%s", logPrefix, kind, Shard(id), id)
}

// KindSubjects is the wildcard that all subjects of a kind fit, as a filter of consumers.
func KindSubjects(kind string) string { return logPrefix + kind + ".>" }

// ParseLogSubject is the inverse of LogSubject. It is an error when the subject has another form, or when its shard is
// not the shard of its id.
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

// StreamOfShard says which of n streams owns a shard: stream i owns a contiguous range. n is 1 to 4096.
func StreamOfShard(shard, n int) int { return shard * n / Shards }

// StreamShards is the range of shards, both ends included, that stream i of n owns.
func StreamShards(i, n int) (first, last int) {
	return ceilDiv(i*Shards, n), ceilDiv((i+1)*Shards, n) - 1
}

// StreamName names stream i of n by the shards it owns: shomei-log-000-fff when there is one.
func StreamName(i, n int) string {
	first, last := StreamShards(i, n)
	return fmt.Sprintf("%s%03x-%03x", StreamPrefix, first, last)
}

// StreamPrefix begins the name of every stream of the log.
const StreamPrefix = "shomei-log-"

// StreamSubjects lists the subjects that stream i of n takes.
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
