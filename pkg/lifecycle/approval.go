package lifecycle

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"shomei/events"
)

// Outcomes of an act that needed a second officer.
const (
	ApprovalApproved  = "approved"
	ApprovalRefused   = "refused"
	ApprovalWithdrawn = "withdrawn"
	ApprovalLapsed    = "lapsed"
)

// DecodeApproval decodes the folded state of an act that needs a second officer; nil bytes are one that was never asked for.
func DecodeApproval(raw []byte) (*events.ApprovalState, error) {
	s := &events.ApprovalState{}
	if err := proto.Unmarshal(raw, s); err != nil {
		return nil, fmt.Errorf("reading the state of an approval: %w", err)
	}
	return s, nil
}

func evolveApproval(s *events.ApprovalState, c *events.Commit) {
	for _, e := range c.Events {
		switch b := events.BodyOf(e).(type) {
		case *events.ApprovalAsked:
			s.Office, s.Act, s.Officer, s.LapsesMs, s.Digest, s.Outcome = b.Office, b.Act, b.Officer, b.LapsesMs, b.Digest, ""
		case *events.ApprovalGiven:
			s.Outcome = ApprovalApproved
		case *events.ApprovalRefused:
			s.Outcome = ApprovalRefused
		case *events.ApprovalWithdrawn:
			s.Outcome = ApprovalWithdrawn
		case *events.ApprovalLapsed:
			s.Outcome = ApprovalLapsed
		}
	}
	s.Revision, s.RecordedMs = c.Revision, recorded(c)
	s.Commands = remember(s.Commands, c.CommandId, c.Revision)
}
