package desk

import (
	"context"
	"errors"
	"fmt"

	"shomei/events"
	"shomei/pkg/ca"
	"shomei/pkg/card"
	"shomei/pkg/civil"
)

// reading is what a card shows (証明書表示).
type reading struct {
	Card         string         `json:"card"`
	Kind         string         `json:"kind"`
	LifeCycle    string         `json:"life_cycle"`
	LastDay      string         `json:"last_day,omitempty"`
	Tries        map[string]int `json:"tries"`
	Certificates []certificate  `json:"certificates"`
}

// certificate is one certificate on a card. Holder is personal data: shown to the holder, never logged.
type certificate struct {
	Kind     string     `json:"kind"`
	Origin   string     `json:"origin"`
	Serial   string     `json:"serial"`
	Subject  string     `json:"subject"`
	Issuer   string     `json:"issuer"`
	From     civil.Date `json:"from"`
	LastDay  civil.Date `json:"last_day"`
	NotAfter string     `json:"not_after"`
	Holder   *holder    `json:"holder,omitempty"`
	DER      []byte     `json:"der"`
}

type holder struct {
	Name        string `json:"name"`
	BirthDate   string `json:"birth_date"`
	Sex         string `json:"sex"`
	Address     string `json:"address"`
	Substitutes bool   `json:"substitutes"` // some characters were replaced (profile.md 3)
}

// readCard reads the card; the signature certificate only with its PIN, the last try only if confirmed.
func (d *Desk) readCard(ctx context.Context, pin []byte, lastTry bool) (reading, error) {
	var out reading
	spent := false
	err := d.Counter.Look(ctx, func(s *card.Session) error {
		identity, err := s.Identify()
		if err != nil {
			return err
		}
		out = readingOf(identity)
		for _, slot := range identity.Kind.Slots() {
			if slot == card.Sign {
				if len(pin) == 0 {
					continue
				}
				if err := present(s, identity.Tries[slot], pin, lastTry); err != nil {
					spent = blocked(err)
					return err
				}
			}
			if err := out.add(s, slot); err != nil {
				return err
			}
		}
		return nil
	})
	if spent {
		if _, told := d.Counter.ReportBlocked(ctx, out.Card, events.PinKind_PIN_KIND_SIGN); told != nil {
			d.Logger.Error("could not record a blocked PIN", "error", told)
		}
	}
	return out, err
}

// blocked reports whether the try just spent was the last one.
func blocked(err error) bool {
	var wrong *card.PINError
	return errors.As(err, &wrong) && wrong.Left == 0
}

func readingOf(id card.Identity) reading {
	out := reading{
		Card: id.CardID, Kind: id.Kind.String(), LifeCycle: id.LifeCycle.String(), LastDay: id.LastDay,
		Tries: map[string]int{}, Certificates: []certificate{},
	}
	for slot, left := range id.Tries {
		out.Tries[slot.String()] = left
	}
	return out
}

// present spends a try on the PIN, but the last one only if lastTry is set.
func present(s *card.Session, left int, pin []byte, lastTry bool) error {
	switch {
	case left == 0:
		return card.ErrBlocked
	case left == 1 && !lastTry:
		return errLastTry
	}
	return s.Verify(card.Sign, pin)
}

// add reads the certificate of a slot; an empty slot is no error.
func (r *reading) add(s *card.Session, slot card.Slot) error {
	der, err := s.Certificate(slot)
	if errors.Is(err, card.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	described, err := describe(slot.String(), der)
	if err != nil {
		return err
	}
	r.Certificates = append(r.Certificates, described)
	return nil
}

// describe puts a certificate into words; kind is the slot it was read from, or empty if only the certificate is known.
func describe(kind string, der []byte) (certificate, error) {
	c, err := ca.Describe(der)
	if err != nil {
		return certificate{}, fmt.Errorf("reading a certificate: %w", err)
	}
	if kind == "" {
		kind = string(c.Kind)
	}
	out := certificate{
		Kind: kind, Origin: string(c.Origin), Serial: c.Serial.String(), Subject: c.Subject, Issuer: c.Issuer,
		From: civil.Of(c.NotBefore), LastDay: c.LastDay, NotAfter: c.NotAfter.UTC().Format("2006-01-02T15:04:05Z"), DER: der,
	}
	if h := c.Holder; h != nil {
		out.Holder = &holder{h.Name, h.BirthDate.String(), fmt.Sprint(h.Sex), h.Address, hasSubstitute(h.NameFlags) || hasSubstitute(h.AddressFlags)}
	}
	return out, nil
}

func hasSubstitute(flags string) bool {
	for _, flag := range flags {
		if flag == '1' {
			return true
		}
	}
	return false
}
