package notifier

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/dossier"
	"shomei/pkg/notice"
	"shomei/pkg/regime"
)

// compose writes the mail of one notice, from the history.
func (s settlement) compose(pending *events.PendingNotice, contact *events.Contact) (notice.Message, error) {
	due, revision := s.due(pending.Id)
	if due == nil {
		return notice.Message{}, fmt.Errorf("notice %s of subscriber %s: %w", pending.Id, s.subscriber, dossier.ErrNotFound)
	}
	last, err := civil.Parse(due.LastDay)
	if err != nil {
		return notice.Message{}, err
	}
	now := s.Clock()
	law := regime.MyNumber
	if due.Regime == events.Regime_REGIME_JUKI {
		law = regime.Juki
	}
	n := notice.Notice{
		ID: s.subscriber + "/" + pending.Id, Kind: due.Kind, Regime: due.Regime, LastDay: last,
		WindowOpens: s.Switches.Window(law, last).Opens, EndedOn: civil.Of(revision),
		CardEnds: due.CardEnds, Overseas: due.Overseas,
		Renewable: regime.Allows(law, regime.OpRenew, civil.Of(now)).Accepted(), Language: notice.Language(contact.Language),
		FeeYen: s.Switches.Fee(regime.FeeIn{
			Regime: law, Operation: regime.OpRenew, Cause: regime.CauseRenewal, On: civil.Of(now), Certificates: true,
		}).Yen,
	}
	for _, serial := range due.Serials {
		if kind := s.kindOf(serial); kind != 0 && !slices.Contains(n.Certificates, kind) {
			n.Certificates = append(n.Certificates, kind)
		}
	}
	text, err := notice.Write(n, s.office())
	if err != nil {
		return notice.Message{}, err
	}
	return notice.Compose(n, text, s.From, contact.Mail, now)
}

// due finds the notice in the history, and when it was recorded.
func (s settlement) due(id string) (*events.NoticeDue, time.Time) {
	for _, r := range s.history {
		for _, e := range r.Commit.GetEvents() {
			if b := e.GetNoticeDue(); b != nil && b.Notice == id {
				return b, time.UnixMilli(e.RecordedMs)
			}
		}
	}
	return nil, time.Time{}
}

func (s settlement) kindOf(serial uint64) events.CertificateKind {
	for _, r := range s.history {
		for _, e := range r.Commit.GetEvents() {
			if b := e.GetIssueAuthorized(); b != nil && b.Serial == serial {
				return b.Kind
			}
		}
	}
	return 0
}

// office returns the municipality that the notice comes from: the one that keeps the person's record at present.
func (s settlement) office() notice.Office {
	for _, o := range s.Directory.Offices() {
		if o.Municipality == s.state.Municipality && !o.Branch {
			return notice.Office{
				Municipality: o.Name, MunicipalityEN: o.MunicipalityRomaji, Desk: "窓口", DeskEN: "the residents' desk",
				Phone: cmp.Or(o.Telephone, unknownPhone),
			}
		}
	}
	return notice.Office{
		Municipality: "市区町村", MunicipalityEN: "your municipality", Desk: "窓口", DeskEN: "the residents' desk", Phone: unknownPhone,
	}
}

// unknownPhone stands in when the log has no office of the person's municipality, or no number for it: people who moved
// to a municipality that isn't here get their mail all the same.
const unknownPhone = "代表電話 / main number"
