package regime

import (
	"slices"

	"shomei/events"
)

// Handling is how the law and a counter handle an operation: everything that depends on the operation alone. Operations
// on a smartphone have their own rules (PhoneIn).
type Handling struct {
	Operation events.Operation
	// Word is its name in the API and in stories, Name its name in the law's forms.
	Word, Name string
	// Key is its shortcut at the counter; empty: no counter offers it.
	Key string
	// Law is the kind of work that it counts as in opening hours and document lists.
	Law Operation
	// OnReader: it is about the card on the reader. The others are about anything the holder has, even a lost card, so
	// a card left on the reader must not slip in.
	OnReader bool
	// Claims: it works on the card presented, which becomes the applicant's if nobody has it yet.
	Claims bool
	// Issues: it ends in new certificates.
	Issues bool
	// Settled: accepting it completes it; no keys, card or hand-over follow.
	Settled bool
}

var handlings = []Handling{
	{Operation: events.Operation_OPERATION_ISSUE, Word: "issue", Name: "新規発行", Key: "n", Law: OpNew, OnReader: true, Claims: true, Issues: true},
	{Operation: events.Operation_OPERATION_RENEW, Word: "renew", Name: "更新", Key: "r", Law: OpRenew, OnReader: true, Claims: true, Issues: true},
	{Operation: events.Operation_OPERATION_REISSUE, Word: "reissue", Name: "再交付", Key: "s", Law: OpReissue, OnReader: true, Claims: true, Issues: true},
	{Operation: events.Operation_OPERATION_REVOKE, Word: "revoke", Name: "失効申請", Key: "v", Law: OpRevoke, Settled: true},
	{Operation: events.Operation_OPERATION_UNBLOCK, Word: "unblock", Name: "初期化", Key: "u", Law: OpUnblock, OnReader: true, Claims: true},
	{Operation: events.Operation_OPERATION_FACTORY_ISSUE, Word: "factory-issue", Name: "交付前の発行", Law: OpNew, OnReader: true, Claims: true, Issues: true},
	{Operation: events.Operation_OPERATION_HAND_OVER, Word: "hand-over", Name: "交付", Key: "h", Law: OpHandOver, OnReader: true, Claims: true},
	{Operation: events.Operation_OPERATION_CONTINUE_USE, Word: "continue-use", Name: "継続利用", Key: "c", Law: OpResidentRecord, OnReader: true, Claims: true, Settled: true},
	{Operation: events.Operation_OPERATION_EXTEND_CARD, Word: "extend-card", Name: "有効期間変更", Key: "e", Law: OpResidentRecord, OnReader: true, Settled: true},
	{Operation: events.Operation_OPERATION_RETURN_CARD, Word: "return-card", Name: "返納", Key: "b", Law: OpRevoke, OnReader: true, Settled: true},
}

// Handlings returns every row, in the order in which people are offered the operations. The caller owns the slice.
func Handlings() []Handling { return slices.Clone(handlings) }

// HandlingOf returns how an operation is handled; the zero Handling for one that no counter knows.
func HandlingOf(op events.Operation) Handling {
	i := slices.IndexFunc(handlings, func(h Handling) bool { return h.Operation == op })
	if i < 0 {
		return Handling{}
	}
	return handlings[i]
}
