package intake_test

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/intake"
)

var today = civil.New(2026, 11, 29)

// TestNearest: a word of any length is compared, and a long one no longer than it takes.
func TestNearest(t *testing.T) {
	known := []string{"12237-main", "13101-main"}
	for wrong, want := range map[string]string{"13101-mian": "13101-main", "": "12237-main", strings.Repeat("日", 1<<20): "12237-main"} {
		if got := intake.Nearest(wrong, known); got != want {
			t.Errorf("nearest to %.20q: %s, want %s", wrong, got, want)
		}
	}
	if got := intake.Nearest("a", nil); got != "" {
		t.Errorf("nearest of none: %s", got)
	}
}

func TestWhatIsInOrderIsTaken(t *testing.T) {
	for _, mail := range []string{"", "hana@mail.example", "a.b+c@x.co.jp", "o'neil@mail.example"} {
		for _, birth := range []string{"", "1990-06-18", "1990-06-00", "1945-00-00", "2026-11-29"} {
			p := &events.Personal{
				Record: &events.ResidentRecord{
					ResidentCode: "00000000123", Name: "証明　花\U000E0100子", Kana: "しょうめい ﾊﾅｺ", BirthDate: birth,
					Address: strings.Repeat("町", 200), Municipality: "122378",
				},
				Contact: &events.Contact{Mail: mail, PostalCode: "2891324", Language: "en"},
			}
			if faults := intake.Personal(p, today); len(faults) > 0 {
				t.Errorf("%s, %s: %v", mail, birth, faults)
			}
		}
	}
	if err := intake.First(intake.Personal(&events.Personal{}, today), intake.Application(&events.ApplicationReceived{Operation: events.Operation_OPERATION_RENEW}, today)); err != nil {
		t.Error(err)
	}
}

// An application is for something that is done at a counter; what is done on a smartphone is applied for otherwise.
func TestWhatIsAppliedForIsKnown(t *testing.T) {
	for number := range events.Operation_name {
		op := events.Operation(number)
		known := op != events.Operation_OPERATION_UNSPECIFIED && !strings.HasPrefix(op.String(), "OPERATION_PHONE_")
		if faults := intake.Application(&events.ApplicationReceived{Operation: op}, today); (len(faults) == 0) != known {
			t.Errorf("%v: %v", op, faults)
		}
	}
	if faults := intake.Application(&events.ApplicationReceived{Operation: 99}, today); len(faults) != 1 || faults[0].Field != "operation" {
		t.Errorf("one that there is not: %v", faults)
	}
}

// What is tidy stays as it is, and no fault tells a value.
func TestTidyOnceIsTidyForEver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[０-９0-9./－-]{6,12}`),
			rapid.StringMatching(`(平成|H)[０-９]{1,2}[年.]1[月.]2日?`))
		p := &events.Personal{
			Record: &events.ResidentRecord{
				ResidentCode: text.Draw(t, "code"), Name: text.Draw(t, "name"), Kana: text.Draw(t, "kana"), BirthDate: text.Draw(t, "birth"),
				PeriodOfStay: text.Draw(t, "stay"),
			},
			Contact: &events.Contact{Mail: text.Draw(t, "mail"), PostalCode: text.Draw(t, "postal")},
		}
		intake.Tidy(p)
		once := proto.CloneOf(p)
		intake.Tidy(p)
		if !proto.Equal(once, p) {
			t.Fatalf("%v, then %v", once, p)
		}
		for _, fault := range intake.Personal(p, today) {
			for _, value := range []string{p.Record.ResidentCode, p.Record.Name, p.Record.BirthDate, p.Contact.Mail} {
				if len(value) > 12 && strings.Contains(fault.Error(), value) {
					t.Fatalf("%v tells a value", fault)
				}
			}
		}
	})
}
