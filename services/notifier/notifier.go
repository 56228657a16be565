// Package notifier writes to people: it follows the log, sends what is owed, and records one outcome for each notice.
// A mail whose fate is unknown is sent again under the same Message-ID; a letter of inquiry goes to the print desk.
package notifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/crashpoint"
	"shomei/pkg/directory"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/notice"
	"shomei/pkg/regime"
	"shomei/pkg/vault"
)

// Config is what the notifier needs; all fields without a remark are required.
type Config struct {
	Log       *eventlog.Log
	Directory *directory.Directory
	Vault     *vault.Vault
	Mailer    notice.Mailer
	// From is the sender's address; PrintDesk is where letters of inquiry go to be printed and posted.
	From, PrintDesk string
	Switches        regime.Switches
	Clock           func() time.Time
	Logger          *slog.Logger
	// Retry is how long a mail that could not be sent waits for the next try.
	Retry time.Duration
	// Handled, when set, is told how far the log has been followed.
	Handled func(eventlog.Positions)
}

// Notifier writes to people.
type Notifier struct{ Config }

// Run sends what falls due until ctx ends. While the mail server is away, everything waits in order.
func (n *Notifier) Run(ctx context.Context) error {
	return n.Log.Follow(ctx, eventlog.Follower{
		Name: "notifier", Kinds: []string{events.KindSubscriber}, Batch: 64, Handle: n.handle, Handled: n.Handled,
		Parked: func(r eventlog.Record, err error) {
			n.Logger.Error("a subscriber's notices are set aside: look at them with shomei log", "subscriber", r.ID, "error", err)
		},
	})
}

func (n *Notifier) handle(ctx context.Context, records []eventlog.Record) error {
	for _, r := range records {
		if !owes(r.Commit) {
			continue
		}
		if err := n.Settle(ctx, r.ID); err != nil {
			return err
		}
	}
	return nil
}

func owes(c *events.Commit) bool {
	return slices.ContainsFunc(c.GetEvents(), func(e *events.Event) bool {
		return e.GetNoticeDue() != nil || e.GetInquiryLetterDue() != nil
	})
}

var (
	crashSent     = crashpoint.Register("notifier.sent")
	crashRecorded = crashpoint.Register("notifier.recorded")
)

// errAgain says that a mail could not be sent now and will be tried again.
var errAgain = errors.New("the mail waits for another try")

// Settle sends everything a subscriber is still owed and records what became of it. It may be called at any time.
func (n *Notifier) Settle(ctx context.Context, subscriber string) error {
	head, err := n.Log.Load(ctx, events.KindSubscriber, subscriber)
	if err != nil {
		return err
	}
	state, err := lifecycle.DecodeSubscriber(head.State)
	if err != nil {
		return err
	}
	if len(state.Notices) == 0 && !slices.ContainsFunc(state.Letters, unposted) {
		return nil
	}
	history, err := n.Log.History(ctx, events.KindSubscriber, subscriber)
	if err != nil {
		return err
	}
	s := settlement{Notifier: n, subscriber: subscriber, state: state, history: history, file: dossier.Of(n.Vault, subscriber, history)}
	for _, pending := range state.Notices {
		if err := s.send(ctx, pending); err != nil {
			return err
		}
	}
	for _, l := range state.Letters {
		if unposted(l) {
			if err := s.post(ctx, l); err != nil {
				return err
			}
		}
	}
	return nil
}

func unposted(l *events.Letter) bool { return !l.Mailed }

// settlement is what one subscriber is owed, being settled.
type settlement struct {
	*Notifier
	subscriber string
	state      *events.SubscriberState
	history    []eventlog.Record
	file       dossier.Dossier
}

// send mails one notice. Whoever left no address gets none, and the log says so.
func (s settlement) send(ctx context.Context, pending *events.PendingNotice) error {
	contact, err := s.file.Contact()
	if errors.Is(err, dossier.ErrNotFound) || errors.Is(err, vault.ErrErased) || err == nil && contact.Mail == "" {
		return s.record(ctx, lifecycle.RecordNotice{Notice: pending.Id, Outcome: lifecycle.NoticeSuppressed, Detail: "no-contact"})
	}
	if err != nil {
		return err
	}
	message, err := s.compose(pending, contact)
	if errors.Is(err, notice.ErrAddress) {
		return s.record(ctx, lifecycle.RecordNotice{Notice: pending.Id, Outcome: lifecycle.NoticeFailed, Medium: "mail", Detail: "address"})
	}
	if err != nil {
		return err
	}
	outcome, err := s.deliver(ctx, message)
	if err != nil {
		return err
	}
	crashSent.Hit()
	done := lifecycle.RecordNotice{Notice: pending.Id, Outcome: lifecycle.NoticeSent, Medium: "mail", MessageID: message.ID}
	if outcome.Result == notice.Permanent {
		done.Outcome, done.Detail = lifecycle.NoticeFailed, outcome.Code
	}
	err = s.record(ctx, done)
	crashRecorded.Hit()
	return err
}

// maxDeferrals is how often a server may put off one recipient before the notice counts as failed.
const maxDeferrals = 5

// deliver sends until the server has answered for the mail or refused it for good. An absent server is waited for; one
// that keeps putting off this mail is not, because everybody else's wait behind it.
func (s settlement) deliver(ctx context.Context, message notice.Message) (notice.Outcome, error) {
	for deferrals := 0; ; {
		outcome, err := s.Mailer.Send(ctx, message)
		if outcome.Result == notice.Sent || outcome.Result == notice.Permanent {
			return outcome, nil
		}
		if outcome.Result == notice.Temporary && strings.HasPrefix(outcome.Code, "4.") {
			if deferrals++; deferrals >= maxDeferrals {
				outcome.Result = notice.Permanent
				return outcome, nil
			}
		}
		s.Logger.Warn("a mail could not be sent and is tried again", "notice", message.ID, "code", outcome.Code, "error", err)
		timer := time.NewTimer(s.Retry)
		select {
		case <-ctx.Done():
			timer.Stop()
			return outcome, fmt.Errorf("%w: %w", errAgain, ctx.Err())
		case <-timer.C:
		}
	}
}

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
		Renewable: regime.Allows(law, regime.OpRenew, civil.Of(now)).Accepted(), Language: notice.Language(contact.Language),
		FeeYen: s.Switches.Fee(regime.FeeIn{Regime: law, Operation: regime.OpRenew, Cause: regime.CauseRenewal, On: civil.Of(now), Certificates: true}).Yen,
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

// due finds the notice in the history and when it was recorded.
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

// office is the municipality the notice speaks for: the one that keeps the person's record now.
func (s settlement) office() notice.Office {
	for _, o := range s.Directory.Offices() {
		if o.Municipality == s.state.Municipality && !o.Branch {
			return notice.Office{
				Municipality: o.Name, MunicipalityEN: o.MunicipalityRomaji, Desk: "窓口", DeskEN: "the residents' desk", Phone: o.Telephone,
			}
		}
	}
	return notice.Office{Municipality: "市区町村", MunicipalityEN: "your municipality", Desk: "窓口", DeskEN: "the residents' desk"}
}

func (s settlement) record(ctx context.Context, c lifecycle.RecordNotice) error {
	return s.update(ctx, "notice/"+s.subscriber+"/"+c.Notice, c)
}

func (s settlement) update(ctx context.Context, commandID string, c lifecycle.Command) error {
	env := eventlog.Envelope{
		CommandID: commandID, Redelivered: true,
		Actor: &events.Actor{Kind: events.ActorKind_ACTOR_KIND_SERVICE, Id: "notifier"},
	}
	_, err := s.Log.Update(ctx, events.KindSubscriber, s.subscriber, env, func(h eventlog.Head) ([]*events.Event, error) {
		state, err := lifecycle.DecodeSubscriber(h.State)
		if err != nil {
			return nil, err
		}
		return lifecycle.Decide(state, c, h.Now)
	})
	return err
}

// post gives a letter of inquiry to the print desk, which posts it to the registered address.
func (s settlement) post(ctx context.Context, l *events.Letter) error {
	record, err := s.file.Identity()
	if err != nil {
		return err
	}
	letter := notice.Inquiry{
		Letter: l.Id, Name: record.Name, Address: record.Address, Office: s.office(), Date: s.Clock(),
	}
	message, err := notice.ComposeInquiry(letter, s.From, s.PrintDesk)
	if err != nil {
		return err
	}
	outcome, err := s.deliver(ctx, message)
	if err != nil {
		return err
	}
	if outcome.Result == notice.Permanent {
		return fmt.Errorf("the print desk refuses letters (%s): mend its address in the configuration", outcome.Code)
	}
	crashSent.Hit()
	return s.update(ctx, "letter/"+s.subscriber+"/"+l.Id, lifecycle.RecordLetterMailed{Letter: l.Id})
}
