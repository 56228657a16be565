package population

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"shomei/events"
	"shomei/pkg/civil"
)

var from, to = civil.New(2012, 1, 4), civil.New(2026, 4, 1)

func TestASeedAlwaysMakesTheSamePeople(t *testing.T) {
	other := 0
	for i := range 200 {
		a, b := Of(7, from, to).Person(i), Of(7, from, to).Person(i)
		at := civil.New(2022, 6, 1).StartInstant()
		if diff := cmp.Diff(a.Record(at), b.Record(at), protocmp.Transform()); diff != "" {
			t.Fatalf("person %d differs: %s", i, diff)
		}
		first, second := must(a.Next(&events.SubscriberState{}, from.StartInstant())), must(b.Next(&events.SubscriberState{}, from.StartInstant()))
		if diff := cmp.Diff(first, second, protocmp.Transform()); diff != "" {
			t.Fatalf("what happens first to person %d differs: %s", i, diff)
		}
		if Of(8, from, to).Person(i).Birth != a.Birth {
			other++
		}
	}
	if other < 150 {
		t.Errorf("another seed makes mostly the same people: only %d of 200 differ", other)
	}
}

func must(a Act, more bool) Act {
	if !more {
		return Act{}
	}
	return a
}

// The check digits are those of law.md 11.4; the code in a place is without.
func TestCodesOfMunicipalities(t *testing.T) {
	known := map[string]int{"12213": 1, "12237": 8, "12239": 4, "12403": 6, "12409": 5, "12410": 9, "01100": 2, "13101": 6}
	seen := map[string]bool{}
	for _, p := range Places {
		if seen[p.Code] || p.Office != p.Code+"-main" || p.Weight <= 0 {
			t.Errorf("place %s: twice, without weight or with the office %s", p.Code, p.Office)
		}
		seen[p.Code] = true
		sum := 0
		for i, weight := range []int{6, 5, 4, 3, 2} {
			digit, err := strconv.Atoi(p.Code[i : i+1])
			if err != nil || len(p.Code) != 5 {
				t.Fatalf("place %q has no code of five digits", p.Code)
			}
			sum += digit * weight
		}
		want, ok := known[p.Code]
		if got := (11 - sum%11) % 10; ok && got != want {
			t.Errorf("check digit of %s: %d, want %d", p.Code, got, want)
		}
	}
	for code := range known {
		if !seen[code] {
			t.Errorf("%s is missing", code)
		}
	}
}

func TestNobodyComesToAClosedOffice(t *testing.T) {
	morning, mondays, all := 0, 0, 0
	for i := range 4000 {
		dice := (&Person{Index: i, of: &Population{Seed: 3}}).dice("arrival", 0)
		at := arrival(dice, civil.New(2019, 1, 1).AddDays(i%730)).In(civil.Tokyo)
		if opening := office.Open("", at); !opening.Open {
			t.Fatalf("somebody comes at %s: %s", at, opening.Rule)
		}
		all++
		if minute := at.Hour()*60 + at.Minute(); minute >= 9*60+30 && minute < 12*60 {
			morning++
		}
		if at.Weekday() == time.Monday {
			mondays++
		}
	}
	if morning*100 < all*50 || morning*100 > all*75 {
		t.Errorf("%d of %d come between 09:30 and 12:00, want more than half", morning, all)
	}
	if mondays*100 < all*18 {
		t.Errorf("%d of %d come on Mondays: fewer than on other days", mondays, all)
	}
}

func TestCardsAreAppliedForInWaves(t *testing.T) {
	byYear, of := map[int]int{}, Of(1, from, to)
	for i := range 3000 {
		if p := of.Person(i); !p.First.IsZero() {
			byYear[p.First.Year]++
			if p.First.Before(cohorts[0].from) || !p.First.Before(to) {
				t.Fatalf("a card is applied for on %s", p.First)
			}
		}
	}
	for _, quiet := range []int{2017, 2018, 2024} {
		for _, wave := range []int{2016, 2021, 2022} {
			if byYear[quiet]*2 > byYear[wave] {
				t.Errorf("%d is no quiet year beside %d: %v", quiet, wave, byYear)
			}
		}
	}
}

// A plan that lies in the past is not made again, whatever the state says: a refused application is not repeated.
func TestPlansLieAhead(t *testing.T) {
	state := &events.SubscriberState{
		Revision: 9, RecordedMs: civil.New(2020, 3, 1).StartInstant().UnixMilli(),
		Card: &events.HeldCard{Card: "c", Kind: events.CardKind_CARD_KIND_MYNUMBER, Status: held, LastDay: "2026-02-01"},
		Certificates: []*events.Certificate{
			{Serial: 1, Kind: kindAuth, Regime: events.Regime_REGIME_MYNUMBER, Status: valid, LastDay: "2021-02-01", WindowOpens: "2020-11-02", WindowOpened: true},
			{
				Serial: 2, Kind: kindSign, Regime: events.Regime_REGIME_MYNUMBER,
				Status:  events.CertificateStatus_CERTIFICATE_STATUS_REVOKED,
				Reason:  events.RevocationReason_REVOCATION_REASON_AFFILIATION_CHANGED,
				EndedMs: civil.New(2020, 2, 3).StartInstant().UnixMilli(),
			},
		},
	}
	acts, of := 0, Of(5, civil.New(2016, 1, 5), to)
	for i := range 50 {
		p := of.Person(i)
		now := time.UnixMilli(state.RecordedMs)
		for {
			act, more := p.Next(state, now)
			if !more {
				break
			}
			if !act.At.After(now) {
				t.Fatalf("person %d does %d at %s, and it is %s already", i, act.What, act.At, now)
			}
			if acts++; acts > 10000 {
				t.Fatal("the plans never end although nothing comes of them")
			}
			if now = act.At; act.What == Tick {
				break // an expiry that is not recorded stays due
			}
		}
	}
}
