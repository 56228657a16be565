package hub

import (
	"context"
	"slices"
	"strings"
	"time"

	"shomei/events"
	"shomei/pkg/civil"
	"shomei/pkg/dossier"
	"shomei/pkg/intake"
	"shomei/pkg/officer"
)

// InvitationTime is how long the one-time code of an officer is good.
const InvitationTime = 24 * time.Hour

// EnrolOfficer enrols an officer of an office, or changes what one may do; a name is sealed. Where the office is administered,
// its administrators do that.
func (o Operator) EnrolOfficer(ctx context.Context, office string, b *events.OfficerEnrolled, name string) error {
	if err := officer.CheckEnrolment(b); err != nil {
		return illFormed(err)
	}
	if len(intake.Text("name", name, intake.NameLimit)) > 0 {
		return refuse("the name is one line of letters and signs, at most %d", intake.NameLimit)
	}
	known := o.hub.Directory.Offices()
	for _, also := range b.Offices {
		if _, ok := known[also]; !ok || also == office {
			return refuse("--also %.60q is no other office: shomei office list shows them", also)
		}
	}
	return o.aboutOfficers(ctx, office, func(now officer.Office, s dossier.Sealer) (events.Body, error) {
		if err := unadministered(now); err != nil {
			return nil, err
		}
		if o.hub.Directory.CodeTaken(b.Officer, office, b.Offices, o.officersTime()) {
			return nil, refuse("an officer of another office acts there under the code %s: choose another code", b.Officer)
		}
		if name == "" {
			return b, nil
		}
		var err error
		b.SealedName, err = s.Remark(name)
		return b, err
	})
}

// InviteOfficer returns a one-time code with which an officer can enrol passkeys until the time returned.
func (o Operator) InviteOfficer(ctx context.Context, office, code string) (secret string, until time.Time, err error) {
	secret, until = officer.NewCode(), o.hub.Clock.Now().Add(InvitationTime)
	err = o.aboutOfficers(ctx, office, func(now officer.Office, _ dossier.Sealer) (events.Body, error) {
		if err := unadministered(now); err != nil {
			return nil, err
		}
		invited, err := standing(now, code)
		if err != nil {
			return nil, err
		}
		if invited.HasKey() {
			return nil, refuse("%s has a passkey already, and only two administrators of %s can invite such an officer anew: retire %s first if the passkey is lost", code, office, code)
		}
		return &events.OfficerInvited{Officer: code, CodeSha256: officer.CodeHash(secret), UntilMs: until.UnixMilli()}, nil
	})
	return secret, until, err
}

// RetireOfficer ends an officer's term at once, with all passkeys, whoever administers the office.
func (o Operator) RetireOfficer(ctx context.Context, office, code string) error {
	return o.aboutOfficers(ctx, office, func(now officer.Office, _ dossier.Sealer) (events.Body, error) {
		if _, err := standing(now, code); err != nil {
			return nil, err
		}
		return &events.OfficerRetired{Officer: code}, nil
	})
}

// RequireSignatures has officers of an office sign what they claim, from a day on.
func (o Operator) RequireSignatures(ctx context.Context, office, from string) error {
	day, err := o.dayToCome(from)
	if err != nil {
		return err
	}
	return o.aboutOfficers(ctx, office, func(now officer.Office, _ dossier.Sealer) (events.Body, error) {
		if before := now.Required(); !before.IsZero() && day.After(before) && (now.Administered() || now.RequiredOn(civil.Of(o.hub.Clock.Now()))) {
			return nil, refuse("signatures are required from %s at %s, and a later day would waive them: its administrators can choose one until then", before, office)
		}
		return &events.SignaturesRequired{From: day.String()}, nil
	})
}

// AllowPasswords lets officers of an office have passwords for the console, or no longer. Of an office that is administered, an operator
// can only forbid them.
func (o Operator) AllowPasswords(ctx context.Context, office string, allowed bool) error {
	return o.aboutOfficers(ctx, office, func(now officer.Office, _ dossier.Sealer) (events.Body, error) {
		if allowed && !now.Passwords() {
			if err := unadministered(now); err != nil {
				return nil, err
			}
		}
		return &events.PasswordsAllowed{Allowed: allowed}, nil
	})
}

// DefineFourEyes chooses the acts that need a second officer at an office from a day on, and returns all that do. Of an office
// that is administered, an operator can only add some.
func (o Operator) DefineFourEyes(ctx context.Context, office string, acts []string, from string) (all []string, err error) {
	day, err := o.dayToCome(from)
	if err != nil {
		return nil, err
	}
	if err := officer.CheckChosen(acts); err != nil {
		return nil, illFormed(err)
	}
	err = o.aboutOfficers(ctx, office, func(officer.Office, dossier.Sealer) (events.Body, error) {
		return &events.FourEyesDefined{Acts: acts, From: day.String()}, nil
	})
	return o.hub.Directory.OfficersOf(office, o.officersTime()).FourEyes(day), err
}

// illFormed refuses an order by what is wrong with it, without the word that events have for that.
func illFormed(err error) error {
	return refuse("%s", strings.TrimSuffix(err.Error(), ": "+officer.IllFormed.Error()))
}

// aboutOfficers records an event about the officers of an office, decided on everything that was recorded about them before.
func (o Operator) aboutOfficers(ctx context.Context, office string, decide func(officer.Office, dossier.Sealer) (events.Body, error)) error {
	if _, ok := o.hub.Directory.Offices()[office]; !ok {
		return refuse("there is no office %.60q: shomei office list shows them, shomei office define FILE defines one", office)
	}
	return o.hub.Directory.CaughtUp(ctx, o.hub.Log, func() error {
		return o.hub.recordOfficeIf(ctx, o.envelope(), office, func(s *events.OfficeState) error {
			return o.hub.Directory.Behind(office, s.Revision)
		}, func(s dossier.Sealer) (events.Body, error) {
			return decide(o.hub.Directory.OfficersOf(office, o.officersTime()), s)
		})
	})
}

// officersTime returns a time by which everything that is known about officers has happened.
func (o Operator) officersTime() time.Time { return o.hub.Directory.OfficersTime(o.hub.Clock.Now()) }

func (o Operator) dayToCome(text string) (civil.Date, error) {
	day, err := civil.Parse(text)
	if today := civil.Of(o.hub.Clock.Now()); err != nil || day.IsZero() || day.Before(today) {
		return day, refuse("%.40q is not a day from today, %s, on: write it like 2027-04-01", text, today)
	}
	return day, nil
}

// unadministered refuses what only administrators may do where there are some.
func unadministered(now officer.Office) error {
	if !now.Administered() {
		return nil
	}
	var who []string
	for _, a := range now.Officers() {
		if slices.Contains(a.Roles, officer.Administrator) && a.HasKey() {
			who = append(who, a.Code)
		}
	}
	return refuse("%s is administered by %s, who enrol and invite its officers at a counter: nobody at the centre says who they are, and can only retire them", now.ID, strings.Join(who, ", "))
}

// standing returns an officer of an office who is not retired.
func standing(now officer.Office, code string) (officer.Officer, error) {
	found, err := now.Standing(code)
	if err != nil {
		return found, refuse("%s has no officer %.20q: shomei officer list %s shows them", now.ID, code, now.ID)
	}
	return found, nil
}
