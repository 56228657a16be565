// Package notifier writes to people: it follows the log, sends what is owed, and records one outcome for each notice. A
// mail with an unknown outcome is sent again under the same Message-ID; a letter of inquiry goes to the print desk.
package notifier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"slices"
	"strings"
	"sync"
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
	"shomei/pkg/wait"
)

// Config configures a Notifier; all fields without a comment are required.
type Config struct {
	Log       *eventlog.Log
	Directory *directory.Directory
	Vault     dossier.Keys
	Mailer    notice.Mailer
	// From is the sender's address; PrintDesk is where letters of inquiry go to be printed and posted.
	From, PrintDesk string
	Switches        regime.Switches
	Clock           func() time.Time
	Logger          *slog.Logger
	// Retry is the pause before a mail that could not be sent is retried.
	Retry time.Duration
	// Handled, if set, is called with the positions up to which the log was followed.
	Handled func(eventlog.Positions)
}

// Notifier writes to people.
type Notifier struct {
	Config

	mu sync.Mutex
	// refused is why the server last took no mail at all, and away since when; nil while it takes them.
	refused error
	away    time.Time
}

// New returns a Notifier. It fails if the configuration names no sender or no print desk.
func New(c Config) (*Notifier, error) {
	for what, address := range map[string]string{"sender": c.From, "print desk": c.PrintDesk} {
		if _, err := mail.ParseAddress(address); err != nil {
			return nil, fmt.Errorf("notices: the address of the %s is not one: correct it in the configuration: %w", what, err)
		}
	}
	return &Notifier{Config: c}, nil
}

// Check returns an error while the mail server accepts nothing.
func (n *Notifier) Check() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refused == nil {
		return nil
	}
	return fmt.Errorf("the mail server has taken nothing since %s: %w", n.away.In(civil.Tokyo).Format(time.RFC3339), n.refused)
}

// note records whether the mail server accepts mails at present, for Check.
func (n *Notifier) note(refused error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case refused != nil && n.refused == nil:
		n.away = n.Clock()
		n.Logger.Error("the mail server accepts nothing; notices wait", "error", refused)
	case refused == nil && n.refused != nil:
		n.Logger.Info("the mail server accepts mails again", "away since", n.away)
	}
	n.refused = refused
}

// Run sends what falls due until ctx ends. While the mail server is unavailable, everything waits in order.
func (n *Notifier) Run(ctx context.Context) error {
	return n.Log.Follow(ctx, eventlog.Follower{
		Name: "notifier", Kinds: []string{events.KindSubscriber}, Batch: 1000, Handle: n.handle, Handled: n.Handled,
		Parked: func(r eventlog.Record, err error) {
			n.Logger.Error("skipping a subscriber's notices; inspect them with shomei log", "subscriber", r.ID, "error", err)
		},
	})
}

// handle sends what a batch makes owed to anyone. Deferred mails are retried together, so that the others wait for one
// round at most.
func (n *Notifier) handle(ctx context.Context, records []eventlog.Record) error {
	var waiting []string
	for _, r := range records {
		if owes(r.Commit) && !slices.Contains(waiting, r.ID) {
			waiting = append(waiting, r.ID)
		}
	}
	tries := make(deferrals)
	for {
		var err error
		if waiting, err = n.round(ctx, waiting, tries); err != nil || len(waiting) == 0 {
			return err
		}
		if err := wait.For(ctx, n.Retry); err != nil {
			return err
		}
	}
}

// round tries each subscriber once and returns those to be retried. If the server is unavailable it tries no further.
func (n *Notifier) round(ctx context.Context, waiting []string, tries deferrals) (again []string, err error) {
	for i, id := range waiting {
		switch err := n.settle(ctx, id, tries); {
		case errors.Is(err, errAway):
			return append(again, waiting[i:]...), nil
		case errors.Is(err, errDeferred):
			again = append(again, id)
		case err != nil:
			return nil, setAside(id, err)
		}
	}
	return again, nil
}

// setAside parks a subscriber to whom nothing can be sent, whatever the mail server says.
func setAside(id string, err error) error {
	if dossier.Lost(err) || errors.Is(err, ErrPrintDesk) || errors.Is(err, notice.ErrAddress) {
		return &eventlog.ParkError{Kind: events.KindSubscriber, ID: id, Err: err}
	}
	return eventlog.Park(events.KindSubscriber, id, err)
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

var (
	// errAway: the mail server accepts nothing at present.
	errAway = errors.New("mail server unavailable")
	// errDeferred: the server has deferred this one mail.
	errDeferred = errors.New("the mail was deferred")
	// ErrPrintDesk: a letter of inquiry was refused for good.
	ErrPrintDesk = errors.New("the print desk refuses the letter: correct its address in the configuration")
)

// deferrals counts how often the server has deferred each mail, by Message-ID.
type deferrals map[string]int

// maxDeferrals bounds deferrals of one mail; then its notice counts as failed.
const maxDeferrals = 5

// settle sends each thing that a subscriber is still owed, and records the outcome. It may be called at any time; an
// error says what has to wait.
func (n *Notifier) settle(ctx context.Context, subscriber string, tries deferrals) error {
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
	s := settlement{
		Notifier: n, subscriber: subscriber, state: state, history: history, file: dossier.Of(n.Vault, subscriber, history), tries: tries,
	}
	return s.all(ctx)
}

func unposted(l *events.Letter) bool { return !l.Mailed }

// settlement is what one subscriber is owed, while it is being sent.
type settlement struct {
	*Notifier
	subscriber string
	state      *events.SubscriberState
	history    []eventlog.Record
	file       dossier.Dossier
	tries      deferrals
}

// all sends every notice and letter; a deferred one holds up no other.
func (s settlement) all(ctx context.Context) error {
	var deferred error
	for _, pending := range s.state.Notices {
		if err := s.send(ctx, pending); errors.Is(err, errDeferred) {
			deferred = err
		} else if err != nil {
			return err
		}
	}
	for _, l := range s.state.Letters {
		if !unposted(l) {
			continue
		}
		if err := s.post(ctx, l); errors.Is(err, errDeferred) {
			deferred = err
		} else if err != nil {
			return err
		}
	}
	return deferred
}

// send mails one notice. A person without an address gets none, and the log says so.
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

// deliver tries once. Sent and refused for good are outcomes; anything else is retried: for ever if it is the server's
// fault, maxDeferrals times if it is this mail's.
func (s settlement) deliver(ctx context.Context, message notice.Message) (notice.Outcome, error) {
	outcome, err := s.Mailer.Send(ctx, message)
	switch {
	case outcome.Result == notice.Sent || outcome.Result == notice.Permanent:
		s.note(nil)
		return outcome, nil
	case ctx.Err() != nil:
		return outcome, ctx.Err()
	}
	s.Logger.Warn("could not send a mail, retrying", "mail", message.ID, "code", outcome.Code, "error", err)
	if !ofOneMail(outcome) {
		s.note(cmp.Or(err, errAway))
		return outcome, errAway
	}
	s.note(nil)
	if s.tries[message.ID]++; s.tries[message.ID] < maxDeferrals {
		return outcome, errDeferred
	}
	outcome.Result = notice.Permanent
	return outcome, nil
}

// ofOneMail reports whether a deferral concerns this mail, not the server: RFC 3463 has 4.3 for the state of the mail
// system, and RFC 5321 has 421 for a server that closes.
func ofOneMail(o notice.Outcome) bool {
	return o.Result == notice.Temporary && strings.HasPrefix(o.Code, "4") && !strings.HasPrefix(o.Code, "4.3.") && o.Code != "421"
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

// inquiry finds in the history why a letter of inquiry is due, and the commit that says so.
func (s settlement) inquiry(letter string) (*events.InquiryLetterDue, *events.Commit) {
	for _, r := range s.history {
		for _, e := range r.Commit.GetEvents() {
			if b := e.GetInquiryLetterDue(); b.GetLetter() == letter {
				return b, r.Commit
			}
		}
	}
	return nil, nil
}

// post gives a letter of inquiry to the print desk, which posts it to the registered address.
func (s settlement) post(ctx context.Context, l *events.Letter) error {
	record, err := s.file.Identity()
	if err != nil {
		return err
	}
	due, commit := s.inquiry(l.Id)
	id := fmt.Sprintf("%s-%d", l.Procedure, commit.GetRevision())
	letter := notice.Inquiry{
		ID: id, Letter: l.Id, Case: events.CaseNumber(l.Procedure), Name: record.Name, Address: record.Address,
		Office: s.office(), Date: s.Clock(),
	}
	letter.Proxy = due.GetChannel() == events.Channel_CHANNEL_PROXY
	today := civil.Of(letter.Date)
	if days := s.Directory.Law(commit.GetOffice(), today, s.Switches).LetterDays; days > 0 {
		letter.Until = today.AddDays(days)
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
		return fmt.Errorf("%w (%s)", ErrPrintDesk, outcome.Code)
	}
	crashSent.Hit()
	return s.update(ctx, "letter/"+s.subscriber+"/"+id, lifecycle.RecordLetterMailed{Letter: l.Id})
}
