package lifecycle

import (
	"fmt"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/regime"
)

// OrderErasure asks that a person's sealed data of one record class be erased for good. [PrepareErasure] makes it.
type OrderErasure struct {
	Class string
	Kept  []Kept
	// Ordered: it was ordered before, and nothing was sealed since.
	Ordered bool
}

// RecordKeyDestroyed records that the key of a record class was destroyed as ordered.
type RecordKeyDestroyed struct{ Class string }

func (OrderErasure) command()       {}
func (RecordKeyDestroyed) command() {}

// Kept is a record under a retention period. From is the certificate's last day for an issue record, and the record's
// own day for the others.
type Kept struct {
	Record regime.Record
	From   civil.Date
}

// classRecords lists the records of law.md 12.1 that become unreadable with the key of a class. The contact is in none
// of them: it may be erased at any time. Revocations and their files are in the log unsealed.
var classRecords = map[string][]regime.Record{
	"identity":    {regime.RecordIssue, regime.RecordApplication, regime.RecordCardApplication},
	"certificate": {regime.RecordIssue},
	"contact":     nil,
}

// PrepareErasure gathers from the whole history which records protect a record class. An unknown class is an error.
func PrepareErasure(history []*events.Commit, class string) (OrderErasure, error) {
	records, known := classRecords[class]
	if !known {
		return OrderErasure{}, fmt.Errorf("unknown record class %.40q: choose identity, certificate or contact", class)
	}
	c := OrderErasure{Class: class}
	done := false
	for _, commit := range history {
		for _, e := range commit.GetEvents() {
			switch {
			case e.GetErasureOrdered().GetRecordClass() == class:
				c.Ordered, done = true, false
			case e.GetKeyDestroyed().GetRecordClass() == class:
				done = true
			case done && events.SealedOf(events.BodyOf(e)).GetRecordClass() == class:
				c.Ordered = false // something was sealed since
			}
			for _, record := range records {
				if from := keptFrom(record, e); !from.IsZero() {
					c.Kept = append(c.Kept, Kept{record, from})
				}
			}
		}
	}
	return c, nil
}

// keptFrom returns the day from which the retention of an event's record counts, or zero if the event makes no such
// record.
func keptFrom(record regime.Record, e *events.Event) civil.Date {
	switch b := events.BodyOf(e).(type) {
	case *events.IssueAuthorized:
		if record == regime.RecordIssue {
			return day(b.LastDay)
		}
	case *events.ApplicationAccepted, *events.ApplicationRefused, *events.InquiryLetterDue:
		if record == regime.RecordApplication {
			return filedOn(e)
		}
	case *events.CardAssigned:
		if record == regime.RecordCardApplication {
			return filedOn(e)
		}
	}
	return civil.Date{}
}

func filedOn(e *events.Event) civil.Date {
	if e.FiledMs != 0 {
		return civil.Of(time.UnixMilli(e.FiledMs))
	}
	return civil.Of(time.UnixMilli(e.RecordedMs))
}

// Retention is the last day on which a record must be kept, and the rule that says so.
type Retention struct {
	Rule regime.ID
	Last civil.Date
}

// Retentions returns, for each rule that protects the record class, its last day. An order after all of them is carried
// out.
func (c OrderErasure) Retentions() ([]Retention, error) {
	var list []Retention
	at := make(map[regime.ID]int)
	for _, k := range c.Kept {
		last, rule, err := regime.KeepUntil(k.Record, k.From)
		if err != nil {
			return nil, err
		}
		i, known := at[rule]
		if !known {
			at[rule] = len(list)
			list = append(list, Retention{rule, last})
		} else if last.After(list[i].Last) {
			list[i].Last = last
		}
	}
	return list, nil
}

// orderErasure orders that a key be destroyed, once, unless a retention period of law.md 12.1 is still running.
func (d *decision) orderErasure(c OrderErasure) error {
	if _, known := classRecords[c.Class]; !known {
		return fmt.Errorf("unknown record class %.40q", c.Class)
	}
	if c.Ordered {
		return nil
	}
	retentions, err := c.Retentions()
	if err != nil {
		return err
	}
	var ended, running []string
	for _, r := range retentions {
		if d.today().After(r.Last) {
			ended = append(ended, r.Rule)
		} else {
			running = append(running, r.Rule)
		}
	}
	if len(running) > 0 {
		d.emit(&events.RequestRefused{Request: "erasure of " + c.Class, Refusals: running}, running...)
		return nil
	}
	d.emit(&events.ErasureOrdered{RecordClass: c.Class}, ended...)
	return nil
}

// recordKeyDestroyed records the end of an erasure, once. A key is destroyed again if an old copy of the vault was
// restored.
func (d *decision) recordKeyDestroyed(c RecordKeyDestroyed) {
	for _, o := range d.state.Obligations {
		if o.Kind == owesErasure && o.Target == c.Class {
			d.emit(&events.KeyDestroyed{RecordClass: c.Class})
			return
		}
	}
}
