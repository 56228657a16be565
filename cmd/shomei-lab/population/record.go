package population

import (
	"fmt"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
)

// Place returns where the person's record is kept at an instant; a move overseas does not change it.
func (p *Person) Place(at time.Time) Place {
	home := p.home
	for _, c := range p.changes {
		if !c.at.After(at) && c.home > 0 {
			home = c.home - 1
		}
	}
	return Places[home]
}

// abroadInRegister is the day from which there is a register of people living overseas (law.md 1.2).
var abroadInRegister = civil.New(2024, 5, 27)

// Record returns the resident record at an instant.
func (p *Person) Record(at time.Time) *events.ResidentRecord {
	name, moves, stay := p.name, 0, p.firstStay
	var overseas civil.Date
	for _, c := range p.changes {
		if c.at.After(at) {
			break
		}
		switch c.what {
		case events.RecordChange_RECORD_CHANGE_NAME:
			name = c.name
		case events.RecordChange_RECORD_CHANGE_ADDRESS:
			moves++
		case events.RecordChange_RECORD_CHANGE_MOVE_IN:
			moves++
			overseas = civil.Date{}
		case events.RecordChange_RECORD_CHANGE_MOVE_OVERSEAS:
			overseas = c.caused
		case events.RecordChange_RECORD_CHANGE_PERIOD_OF_STAY:
			stay = c.stay
		}
	}
	if p.Permanent {
		stay = civil.Date{}
	}
	place, dice := p.Place(at), p.dice("address", int64(moves))
	record := &events.ResidentRecord{
		ResidentCode: p.Code, Name: p.called(name), BirthDate: p.Birth.String(), Sex: p.Sex, Municipality: place.Code,
		Registered: overseas.IsZero() || !civil.Of(at).Before(abroadInRegister),
		Foreign:    p.Foreign, PeriodOfStay: stay.String(), AdultWard: p.Ward, Overseas: !overseas.IsZero(), OverseasOn: overseas.String(),
		Address: fmt.Sprintf("%s%s%s%d丁目%d番%d号", place.Prefecture, place.City, streets[dice.IntN(len(streets))],
			1+dice.IntN(6), 1+dice.IntN(40), 1+dice.IntN(30)),
	}
	if p.Foreign && name[0]%3 == 0 {
		record.Alias = families[name[0]] + "　" + givens[p.Sex-1][name[1]]
	}
	return record
}

func (p *Person) called(name [2]int) string {
	if p.Foreign {
		return foreigners[(p.name[0]+p.name[1])%len(foreigners)]
	}
	return families[name[0]] + "　" + givens[p.Sex-1][name[1]]
}

// Contact returns where the person wants to be reached, or nil.
func (p *Person) Contact() *events.Contact {
	if !p.Mail {
		return nil
	}
	language := "ja"
	if p.Foreign {
		language = "en"
	}
	return &events.Contact{Mail: fmt.Sprintf("person-%d@simulated.example", p.Index), Language: language}
}
