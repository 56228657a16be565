package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/access"
	"shomei/pkg/civil"
	"shomei/pkg/dossier"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/order"
	"shomei/pkg/regime"
	"shomei/pkg/vault"
)

// known returns the subscriber whose history goes on under an id, which an earlier correction may have replaced.
func (o Operator) known(ctx context.Context, person string) (string, error) {
	for {
		if err := checkSubscriber(person); err != nil {
			return "", err
		}
		head, err := o.hub.Log.Load(ctx, events.KindSubscriber, person)
		if err != nil {
			return "", err
		}
		if head.Revision == 0 {
			return "", unknownSubscriber(person)
		}
		state, err := lifecycle.DecodeSubscriber(head.State)
		if err != nil || state.GetAliasOf() == "" {
			return person, err
		}
		person = state.GetAliasOf()
	}
}

// histories returns a person's subscriber and, behind it, those whose histories were joined to it: each is sealed with keys of its own.
func (o Operator) histories(ctx context.Context, person string) ([]string, error) {
	list := []string{person}
	for i := 0; i < len(list); i++ {
		history, err := o.hub.Log.History(ctx, events.KindSubscriber, list[i])
		if err != nil {
			return nil, err
		}
		for _, r := range history {
			for _, e := range r.Commit.GetEvents() {
				if from := e.GetTakenInClosed().GetFrom(); from != "" && !slices.Contains(list, from) {
					list = append(list, from)
				}
			}
		}
	}
	return list, nil
}

// AskDisclosure asks for everything held on a person to be written down, once another operator has approved it: an order for each
// history that was joined to the person's, because the vault opens each by itself.
func (o Operator) AskDisclosure(ctx context.Context, person, why string) (asked []order.Order, err error) {
	if err := o.withCredentialsOnly(); err != nil {
		return nil, err
	}
	if person, err = o.known(ctx, person); err != nil {
		return nil, err
	}
	all, err := o.histories(ctx, person)
	if err != nil {
		return nil, err
	}
	for _, one := range all {
		next, err := o.ask(ctx, &events.OrderAsked{Act: string(order.Disclosure), Target: events.KindSubscriber + "/" + one}, "--why", why)
		if err != nil {
			return asked, err
		}
		asked = append(asked, next)
	}
	return asked, nil
}

// Held is everything held on a person, in one document.
type Held struct {
	Person     string    `json:"person"`
	Made       time.Time `json:"made"`
	AskedBy    string    `json:"asked_by"`
	ReleasedBy string    `json:"released_by"`
	// Identity and Contact are absent if there is none, and Erased names the record classes that were erased.
	Identity     json.RawMessage   `json:"identity,omitempty"`
	Contact      json.RawMessage   `json:"contact,omitempty"`
	Erased       []string          `json:"erased,omitempty"`
	Certificates []HeldCertificate `json:"certificates"`
	Procedures   []HeldProcedure   `json:"procedures"`
	Deadlines    []HeldDeadline    `json:"deadlines"`
	Notices      []HeldEvent       `json:"notices"`
	Events       []HeldEvent       `json:"events"`
	Texts        []HeldText        `json:"texts"`
	Looks        []access.Look     `json:"looks"`
	// Joined are the histories that were joined to this one.
	Joined []Held `json:"joined,omitempty"`
}

// HeldCertificate is a certificate that was issued to the person.
type HeldCertificate struct {
	Serial  string    `json:"serial"`
	Kind    string    `json:"kind"`
	Regime  string    `json:"regime"`
	Issued  time.Time `json:"issued"`
	LastDay string    `json:"last_day"`
	// Status is empty for one that ended so long ago that the state no longer has it: its events tell how.
	Status string `json:"status,omitempty"`
	// DER is the certificate; absent if it was erased.
	DER []byte `json:"der,omitempty"`
}

// HeldProcedure is one application, from the counter to the hand-over.
type HeldProcedure struct {
	Procedure string    `json:"procedure"`
	Number    string    `json:"case_number"`
	Office    string    `json:"office,omitempty"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
}

// HeldDeadline is a day by which something is due.
type HeldDeadline struct {
	Kind    string `json:"kind"`
	LastDay string `json:"last_day"`
}

// HeldEvent is an event with the rules that led to it, in words.
type HeldEvent struct {
	At        time.Time       `json:"at"`
	Event     string          `json:"event"`
	Office    string          `json:"office,omitempty"`
	Counter   string          `json:"counter,omitempty"`
	Officer   string          `json:"officer,omitempty"`
	Second    string          `json:"second_officer,omitempty"`
	Procedure string          `json:"procedure,omitempty"`
	Rules     []HeldRule      `json:"rules,omitempty"`
	Body      json.RawMessage `json:"body"`
}

// HeldRule is a rule with its sentences.
type HeldRule struct {
	ID string `json:"id"`
	JA string `json:"ja,omitempty"`
	EN string `json:"en,omitempty"`
}

// HeldText is what somebody wrote in their own words.
type HeldText struct {
	Revision uint64 `json:"revision"`
	Event    string `json:"event"`
	Text     string `json:"text,omitempty"`
	Erased   bool   `json:"erased,omitempty"`
}

// Disclose opens everything held on a person, which one operator has asked for and another has approved, and records it before.
func (o Operator) Disclose(ctx context.Context, person string) (h Held, err error) {
	if err = o.withCredentialsOnly(); err == nil {
		person, err = o.known(ctx, person)
	}
	if err != nil {
		return h, err
	}
	all, err := o.histories(ctx, person)
	if err != nil {
		return h, err
	}
	for i, one := range all {
		found, err := o.discloseOne(ctx, one)
		if err != nil {
			return h, err
		}
		if i == 0 {
			h = found
		} else {
			h.Joined = append(h.Joined, found)
		}
	}
	return h, nil
}

// discloseOne opens everything held in one history of a person.
func (o Operator) discloseOne(ctx context.Context, person string) (h Held, err error) {
	d, err := order.Usable(ctx, o.hub.Log, person, o.officer, o.hub.Clock.Now(), order.Disclosure)
	switch {
	case errors.Is(err, order.ErrWaiting):
		return h, refuse("%v: shomei approval approve %s does", err, d.Number())
	case err != nil:
		return h, refuse("%v: shomei person export ask %s does", err, person)
	}
	history, err := o.hub.Log.History(ctx, events.KindSubscriber, person)
	if err != nil {
		return h, err
	}
	file := dossier.Of(o.hub.sealed, person, history)
	err = access.Record(ctx, o.hub.as(eventlog.RoleOperator), o.hub.sealed, o.envelope(), access.ID("operator", o.officer), nil, &events.RecordOpened{
		Subscriber: person, Purpose: "everything written down", Place: access.Export, RecordClasses: file.Classes(),
	})
	if err != nil {
		return h, err
	}
	h = Held{Person: person, Made: o.hub.Clock.Now().In(civil.Tokyo), AskedBy: d.AskedBy, ReleasedBy: d.DecidedBy}
	if err = h.open(file); err == nil {
		err = h.tell(history, file)
	}
	if err == nil {
		err = h.stand(ctx, o.hub.Log)
	}
	if err == nil {
		h.Looks, err = access.Looks(ctx, o.hub.Log, access.Query{Person: person})
	}
	return h, err
}

// missing notes the class of what was erased or never there, and reports whether that is why it can't be opened.
func (h *Held) missing(class string, err error) bool {
	if errors.Is(err, vault.ErrErased) && !slices.Contains(h.Erased, class) {
		h.Erased = append(h.Erased, class)
	}
	return errors.Is(err, vault.ErrErased) || errors.Is(err, dossier.ErrNotFound)
}

// shown returns what was opened as JSON; nil if there is nothing.
func (h *Held) shown(class string, m proto.Message, err error) (json.RawMessage, error) {
	if err == nil {
		return events.MessageJSON(m)
	}
	if h.missing(class, err) {
		return nil, nil
	}
	return nil, err
}

// open reads who the person is and where they want to be reached.
func (h *Held) open(file dossier.Dossier) error {
	identity, err := file.Identity()
	if h.Identity, err = h.shown(vault.Identity, identity, err); err != nil {
		return err
	}
	contact, err := file.Contact()
	if h.Contact, err = h.shown(vault.Contact, contact, err); err != nil {
		return err
	}
	for _, n := range file.Notes() {
		if n.Event == events.Name(events.New(&events.ErasureOrdered{})) {
			continue // an officer's words about the order, which the disclosure does not open
		}
		if n.Err != nil && !h.missing(vault.Identity, n.Err) {
			return n.Err
		}
		h.Texts = append(h.Texts, HeldText{n.Revision, n.Event, n.Text, n.Err != nil})
	}
	return nil
}

// tell lists what happened.
func (h *Held) tell(history []eventlog.Record, file dossier.Dossier) error {
	for _, r := range history {
		for _, e := range r.Commit.GetEvents() {
			told, err := heldEvent(r.Commit, e)
			if err != nil {
				return err
			}
			h.Events = append(h.Events, told)
			switch b := events.BodyOf(e).(type) {
			case *events.NoticeDue, *events.NoticeSent, *events.NoticeFailed, *events.NoticeSuppressed:
				h.Notices = append(h.Notices, told)
			case *events.CertificateIssued:
				if err := h.certify(file, b, told.At); err != nil {
					return err
				}
			}
		}
		h.proceed(r.Commit)
	}
	return nil
}

func heldEvent(c *events.Commit, e *events.Event) (HeldEvent, error) {
	body, err := events.EventJSON(e)
	if err != nil {
		return HeldEvent{}, err
	}
	told := HeldEvent{
		At: time.UnixMilli(e.GetRecordedMs()).In(civil.Tokyo), Event: events.Name(e), Office: c.GetOffice(), Counter: c.GetCounter(),
		Officer: c.GetActor().GetId(), Second: c.GetSecondOfficer().GetId(), Procedure: c.GetCorrelationId(), Body: body,
	}
	for _, id := range e.GetRuleIds() {
		rule := HeldRule{ID: id}
		if known, ok := regime.Lookup(id); ok {
			rule.JA, rule.EN = known.JA, known.EN
		}
		told.Rules = append(told.Rules, rule)
	}
	return told, nil
}

func (h *Held) certify(file dossier.Dossier, b *events.CertificateIssued, at time.Time) error {
	der, err := file.Certificate(b.GetSerial())
	if err != nil && !h.missing(vault.Certificate, err) {
		return err
	}
	h.Certificates = append(h.Certificates, HeldCertificate{
		Serial: events.FormatSerial(b.GetSerial()), Kind: events.EnumWord(b.GetKind()), Regime: events.EnumWord(b.GetRegime()), Issued: at,
		LastDay: b.GetLastDay(), DER: der,
	})
	return nil
}

// proceed notes a commit of a procedure.
func (h *Held) proceed(c *events.Commit) {
	id := c.GetCorrelationId()
	if id == "" || len(c.GetEvents()) == 0 {
		return
	}
	at := time.UnixMilli(c.GetEvents()[0].GetRecordedMs()).In(civil.Tokyo)
	i := slices.IndexFunc(h.Procedures, func(p HeldProcedure) bool { return p.Procedure == id })
	if i < 0 {
		h.Procedures = append(h.Procedures, HeldProcedure{Procedure: id, Number: events.CaseNumber(id), Office: c.GetOffice(), From: at})
		i = len(h.Procedures) - 1
	}
	h.Procedures[i].To = at
}

// stand reads what the state says: how certificates stand, and what is due.
func (h *Held) stand(ctx context.Context, log *eventlog.Log) error {
	head, err := log.Load(ctx, events.KindSubscriber, h.Person)
	if err != nil {
		return err
	}
	state, err := lifecycle.DecodeSubscriber(head.State)
	if err != nil {
		return fmt.Errorf("the state of %s: %w", h.Person, err)
	}
	for _, c := range state.GetCertificates() {
		for i := range h.Certificates {
			if h.Certificates[i].Serial == events.FormatSerial(c.GetSerial()) {
				h.Certificates[i].Status = events.EnumWord(c.GetStatus())
			}
		}
	}
	for _, d := range state.GetDeadlines() {
		h.Deadlines = append(h.Deadlines, HeldDeadline{events.EnumWord(d.GetKind()), d.GetLastDay()})
	}
	return nil
}
