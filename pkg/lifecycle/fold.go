package lifecycle

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"shomei/events"
)

// FoldVersion is the version of all folds of this package. It grows when a fold changes its meaning; states of an older
// version are then folded again from the history.
const FoldVersion = 8

// Fold folds the commits of one kind of aggregate into a state.
type Fold struct {
	// Apply folds a commit into the encoded state before it (nil before the first) and returns the encoded state after.
	Apply func(state []byte, c *events.Commit) ([]byte, error)
	// Remembered returns the revision at which a command was answered, if the state still knows it.
	Remembered func(state []byte, commandID string) (uint64, bool)
}

// Folds returns the fold of every kind of aggregate.
func Folds() map[string]Fold {
	return map[string]Fold{
		events.KindSubscriber: foldOf(func() *events.SubscriberState { return &events.SubscriberState{} }, Evolve),
		events.KindCard:       foldOf(func() *events.CardState { return &events.CardState{} }, evolveCard),
		events.KindOffice:     foldOf(func() *events.OfficeState { return &events.OfficeState{} }, evolveOffice),
		events.KindAuthority:  foldOf(func() *events.AuthorityState { return &events.AuthorityState{} }, evolveAuthority),
		events.KindAccess:     foldOf(func() *events.QuarantineState { return &events.QuarantineState{} }, evolvePlain),
		events.KindQuarantine: foldOf(func() *events.QuarantineState { return &events.QuarantineState{} }, evolvePlain),
		events.KindApproval:   foldOf(func() *events.ApprovalState { return &events.ApprovalState{} }, evolveApproval),
	}
}

// state is what all folded states have in common.
type state interface {
	proto.Message
	GetCommands() []*events.RememberedCommand
}

func foldOf[S state](empty func() S, evolve func(S, *events.Commit)) Fold {
	decode := func(raw []byte) (S, error) {
		s := empty()
		if err := proto.Unmarshal(raw, s); err != nil {
			return s, fmt.Errorf("reading a folded state: %w", err)
		}
		return s, nil
	}
	return Fold{
		Apply: func(raw []byte, c *events.Commit) ([]byte, error) {
			s, err := decode(raw)
			if err != nil {
				return nil, err
			}
			evolve(s, c)
			return proto.MarshalOptions{Deterministic: true}.Marshal(s)
		},
		Remembered: func(raw []byte, commandID string) (uint64, bool) {
			s, err := decode(raw)
			if err != nil || commandID == "" {
				return 0, false
			}
			return remembered(s.GetCommands(), commandID)
		},
	}
}

// DecodeSubscriber decodes a folded subscriber; nil bytes are a subscriber without history.
func DecodeSubscriber(raw []byte) (*events.SubscriberState, error) {
	s := &events.SubscriberState{}
	if err := proto.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("reading the state of a subscriber: %w", err)
	}
	return s, nil
}

// MunicipalityOf returns where a subscriber lives by an encoded state, without decoding the rest; empty if it does not say.
func MunicipalityOf(state []byte) string {
	const municipality = protowire.Number(3) // SubscriberState.municipality; fields come in the order of their numbers
	for len(state) > 0 {
		number, kind, n := protowire.ConsumeTag(state)
		if n < 0 || number > municipality {
			return ""
		}
		state = state[n:]
		if number == municipality && kind == protowire.BytesType {
			text, _ := protowire.ConsumeString(state)
			return text
		}
		if n = protowire.ConsumeFieldValue(number, kind, state); n < 0 {
			return ""
		}
		state = state[n:]
	}
	return ""
}

// evolvePlain folds aggregates whose decisions depend only on their own commands.
func evolvePlain(s *events.QuarantineState, c *events.Commit) {
	s.Revision, s.RecordedMs = c.Revision, recorded(c)
	s.Commands = remember(s.Commands, c.CommandId, c.Revision)
}

func recorded(c *events.Commit) int64 {
	if len(c.Events) == 0 {
		return 0
	}
	return c.Events[len(c.Events)-1].RecordedMs
}
