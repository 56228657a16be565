package ra_test

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/prototext"

	"shomei/events"
	"shomei/pkg/access"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
	"shomei/pkg/officer"
	"shomei/pkg/vault"
	"shomei/services/ra"
	"shomei/services/servicetest"
)

// searches is a centre in which persons are looked for, with the keys of persons in another process.
type searches struct {
	*servicetest.World
	ra    *ra.RA
	asked int
}

func newSearches(t *testing.T) *searches {
	t.Helper()
	w := servicetest.New(t, morning)
	d := w.Enrol(servicetest.Office, "c1", "counter")
	w.Enrol(servicetest.Office, "t1", "telephone")
	d.Hold("100")
	twin := servicetest.Resident("101")
	twin.Record.Name, twin.Record.Kana = "試験100", "シケン　ヒャク"
	d.Decide(d.Claim("p101", "", servicetest.Applied(opIssue, "card-101"), twin))
	w.ServeVault()
	s := &searches{World: w, ra: w.NewRA(w.Log)}
	natstest.Wait(t, 30*time.Second, "the index of the log of before it", func() bool {
		found, err := w.Vault.Find("試験 100", "1980-06-18")
		return err == nil && len(found) == 2
	})
	return s
}

// find searches as an officer at a counter.
func (s *searches) find(counter, role, code string, key counterlink.FindKey) (counterlink.Found, error) {
	s.T.Helper()
	s.asked++
	q := counterlink.FindRequest{
		Asker: counterlink.Asker{
			Counter: counter, Office: servicetest.Office, Officer: code, Role: role, ID: hex.EncodeToString([]byte(fmt.Sprintf("%016d", s.asked))),
		},
		Card: key.Card,
	}
	if key.Card == "" {
		var err error
		record := &events.ResidentRecord{ResidentCode: key.Code, Name: key.Name, BirthDate: key.BirthDate}
		q.Sealed, err = counterlink.SealPersonal(s.SealKey(), q.ID, &events.Personal{Record: record})
		servicetest.Check(s.T, err)
	}
	return s.ra.AnswerFind(s.T.Context(), q)
}

// looks returns the looks that a counter's last commit records.
func (s *searches) looks(counter string) (list []string) {
	history := s.History(events.KindAccess, counter)
	if len(history) == 0 {
		return nil
	}
	for _, e := range history[len(history)-1].Commit.GetEvents() {
		list = append(list, e.GetRecordOpened().GetPurpose()+" "+e.GetRecordOpened().GetSubscriber())
	}
	return list
}

// A person is found by card, code, name and furigana, and each search stands in the log, without what was looked for.
func TestPersonsAreFoundByEachKeyAndRecorded(t *testing.T) {
	s := newSearches(t)
	one, two := s.Subscriber("100"), s.Subscriber("101")
	both := []string{one, two}
	slices.Sort(both)
	for _, row := range []struct {
		key  counterlink.FindKey
		want []string
	}{
		{counterlink.FindKey{Card: "card-100"}, []string{one}},
		{counterlink.FindKey{Card: "card-of-nobody"}, nil},
		{counterlink.FindKey{Code: servicetest.Code("101")}, []string{two}},
		{counterlink.FindKey{Code: servicetest.Code("999")}, nil},
		{counterlink.FindKey{Name: "試 験１００", BirthDate: "1980-06-18"}, both},
		{counterlink.FindKey{Name: "しけんひゃく", BirthDate: "1980-06-18"}, []string{two}},
		{counterlink.FindKey{Name: "試験100", BirthDate: "1980-06-19"}, nil},
		{counterlink.FindKey{Name: "試験100"}, nil},
	} {
		found, err := s.find("c1", "counter", "017", row.key)
		var got, looks []string
		for _, p := range found.Persons {
			got = append(got, p.Subscriber)
		}
		if err != nil || !slices.Equal(got, row.want) || found.More || found.Unready || found.Refused != "" {
			t.Errorf("%+v finds %v, %v", row.key, got, err)
		}
		for _, id := range row.want {
			looks = append(looks, "search "+id)
		}
		if looks == nil {
			looks = []string{"search "}
		}
		if got := s.looks("c1"); !slices.Equal(got, looks) {
			t.Errorf("%+v is recorded as %q", row.key, got)
		}
	}
	found, err := s.find("c1", "counter", "017", counterlink.FindKey{Name: "シケンヒャク", BirthDate: "1980-06-18"})
	servicetest.Check(t, err)
	if p := found.Persons[0]; p.Name != "試験100" || p.Kana != "シケン　ヒャク" || p.BirthDate != "1980-06-18" || p.Municipality != "12237" || p.Initials == "" {
		t.Errorf("a clerk is shown %v", p)
	}
	for _, r := range s.History(events.KindAccess, "c1") {
		if text := prototext.Format(r.Commit); strings.Contains(text, "1980") || strings.Contains(text, "試験") {
			t.Errorf("the log holds what was looked for: %s", text)
		}
	}
	if findings := checked(t, s.World); len(findings) > 0 {
		t.Errorf("fsck: %v", findings)
	}
	if _, err := access.Looks(t.Context(), s.Log, access.Query{}); err != nil {
		t.Error(err)
	}

	// An erasure reaches the index before anybody asks.
	servicetest.Check(t, s.Vault.Erase(two, vault.Identity))
	if found, err := s.find("c1", "counter", "017", counterlink.FindKey{Name: "シケンヒャク", BirthDate: "1980-06-18"}); err != nil || len(found.Persons) > 0 {
		t.Errorf("somebody erased is found: %v, %v", found.Persons, err)
	}
	if found, err := s.find("c1", "counter", "017", counterlink.FindKey{Code: servicetest.Code("101")}); err != nil || found.Persons[0].Name != "" {
		t.Errorf("somebody erased is shown as %v, %v", found.Persons, err)
	}
}

// Somebody whose history can't be read hides nobody else, and whoever searches is told that there are more.
func TestADamagedHistoryHidesItselfAlone(t *testing.T) {
	s := newSearches(t)
	one, two := s.Subscriber("100"), s.Subscriber("101")
	servicetest.Check(t, s.Conn.Publish(events.LogSubject(events.KindSubscriber, two), []byte("no commit")))
	servicetest.Check(t, s.Conn.Flush())
	both := counterlink.FindKey{Name: "試験100", BirthDate: "1980-06-18"}
	natstest.Wait(t, 30*time.Second, "the damage to be seen", func() bool {
		_, err := s.Log.Load(t.Context(), events.KindSubscriber, two)
		return eventlog.Unreadable(err)
	})
	found, err := s.find("c1", "counter", "017", both)
	if err != nil || len(found.Persons) != 1 || found.Persons[0].Subscriber != one || !found.More {
		t.Errorf("beside a damaged history: %+v, %v", found, err)
	}
	if found, err := s.find("c1", "counter", "017", counterlink.FindKey{Code: servicetest.Code("101")}); err == nil {
		t.Errorf("alone, a damaged history is nobody's: %+v", found)
	}
}

// What is shown depends on who asks, by what the centre knows of them; who may not ask is told nothing, and the log neither.
func TestWhoSearchesSeesWhatTheyNeed(t *testing.T) {
	s := newSearches(t)
	s.Officer(servicetest.Office, "C1", officer.Clerk)
	s.Officer(servicetest.Office, "T1", officer.TelephoneDesk)
	s.Officer(servicetest.Office, "R1", officer.Clerk)
	s.Record(events.KindOffice, servicetest.Office, &events.OfficerRetired{Officer: "R1"})
	s.EnrolOfficer(servicetest.Office, &events.OfficerEnrolled{Officer: "P1", Roles: []string{"clerk"}, Until: "2015-12-31"})
	s.Officer(servicetest.Office, "A1", officer.Administrator) // the last: operators enrol nobody after it
	s.DefineOffice("13101-main", &events.OfficeDefined{})
	s.Officer("13101-main", "X1", officer.Clerk)
	by := counterlink.FindKey{Card: "card-100"}
	for _, row := range []struct {
		counter, role, code string
		sees                string
	}{
		{"c1", "counter", "C1", "name"},
		{"c1", "counter", "T1", "certificates"},
		{"t1", "telephone", "T1", "certificates"},
		{"t1", "telephone", "C1", "certificates"},
		{"c1", "counter", "017", "name"},
		{"c1", "counter", "X1", "name"},
		{"t1", "telephone", "017", "certificates"},
		{"c1", "counter", "", string(officer.Unknown)},
		{"c1", "counter", "A1", string(officer.NotAllowed)},
		{"c1", "counter", "R1", string(officer.Retired)},
		{"c1", "counter", "P1", string(officer.OutOfTerm)},
	} {
		t.Run(row.role+row.code, func(t *testing.T) {
			seen := func() string {
				before := len(s.History(events.KindAccess, row.counter))
				found, err := s.find(row.counter, row.role, row.code, by)
				servicetest.Check(t, err)
				recorded := len(s.History(events.KindAccess, row.counter)) - before
				if found.Refused != "" {
					if len(found.Persons) > 0 || recorded > 0 {
						t.Errorf("refused, and shown %v", found.Persons)
					}
					return found.Refused
				}
				p := found.Persons[0]
				if recorded != 1 || len(p.Certificates) != 2 || p.CardStatus == 0 || p.CardLastDay == "" || p.Initials == "" {
					t.Errorf("%d looks recorded, shown %v", recorded, p)
				}
				if text := prototext.Format(p); strings.Contains(text, "試験町") || strings.Contains(text, servicetest.Code("100")) {
					t.Errorf("address or code are shown: %s", text)
				}
				if p.Name+p.Alias+p.Kana+p.BirthDate+p.Municipality == "" {
					return "certificates"
				}
				return "name"
			}
			if got := seen(); got != row.sees {
				t.Errorf("sees %s, want %s", got, row.sees)
			}
		})
	}
	s.Record(events.KindOffice, servicetest.Office, &events.SignaturesRequired{From: "2016-01-01"})
	for _, code := range []string{"017", "X1", ""} {
		if found, err := s.find("c1", "counter", code, by); err != nil || found.Refused != string(officer.Unknown) || len(found.Persons) > 0 {
			t.Errorf("where signatures are required, %q is told %+v, %v", code, found, err)
		}
	}
	if found, err := s.find("c1", "counter", "C1", by); err != nil || len(found.Persons) != 1 {
		t.Errorf("where signatures are required, a clerk is told %+v, %v", found, err)
	}

	// What no page asks.
	looks := len(s.History(events.KindAccess, "c1"))
	for name, key := range map[string]counterlink.FindKey{
		"a long name":        {Name: strings.Repeat("試", 101), BirthDate: "1980-06-18"},
		"control characters": {Name: "試\x1b験", BirthDate: "1980-06-18"},
		"no date":            {Name: "試験", BirthDate: "some day"},
		"no code":            {Code: "12"},
		"no card":            {Card: "card.*.>"},
	} {
		if found, err := s.find("c1", "counter", "C1", key); err == nil {
			t.Errorf("%s: %+v", name, found)
		}
	}
	if found, err := s.find("c1", "counter", "証明 花子", by); err == nil && found.Refused == "" {
		t.Errorf("an officer who is a name is told %+v", found)
	}
	if n := len(s.History(events.KindAccess, "c1")); n != looks {
		t.Errorf("%d looks recorded", n-looks)
	}
}

// Over the wire it is signed and sealed, guesses are bounded, and no more than twenty are shown at once.
func TestSearchesOverTheWire(t *testing.T) {
	s := newSearches(t)
	d := s.Enrol(servicetest.Office, "c2", "counter")
	var many []vault.Identified
	for i := range 25 {
		person := servicetest.Resident(fmt.Sprint(200 + i))
		d.Decide(d.Claim(fmt.Sprint("p", i), "", servicetest.Applied(opIssue, fmt.Sprint("card-", 200+i)), person))
		many = append(many, vault.Identified{Person: s.Subscriber(fmt.Sprint(200 + i)), Version: 1, Names: []string{"大勢"}, BirthDate: "1980-06-18"})
	}
	servicetest.Check(t, s.Vault.Index(many...))
	s.RA = s.ra
	client, ctx := overTheWire(t, s.World, d), t.Context()
	found, err := client.Find(ctx, "017", counterlink.FindKey{Name: "大勢", BirthDate: "1980-06-18"})
	if err != nil || len(found.Persons) != 20 || !found.More {
		t.Errorf("%d found, more %v, %v", len(found.Persons), found.More, err)
	}
	misses := 0
	for ; misses < 40; misses++ {
		if found, err = client.Find(ctx, "017", counterlink.FindKey{Name: fmt.Sprint("誰", misses), BirthDate: "1980-06-18"}); err != nil {
			break
		}
	}
	if misses != 30 {
		t.Errorf("%d guesses were answered", misses)
	}
}
