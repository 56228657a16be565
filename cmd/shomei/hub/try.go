package hub

import (
	"context"
	"net"
	"net/http"
	"path/filepath"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/httpd"
	"shomei/pkg/officer"
)

// Serve serves pages on a loopback address until Close. It returns the address with the actual port.
func (h *Hub) Serve(addr string, handler http.Handler) (string, error) {
	l, err := Listen(addr)
	if err != nil {
		return "", err
	}
	h.ServeOn(l, handler)
	return l.Addr().String(), nil
}

// ServeOn serves on a listener until Close.
func (h *Hub) ServeOn(l net.Listener, handler http.Handler) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- httpd.Serve(ctx, context.Background(), l, handler) }()
	h.doors = append(h.doors, func() error { cancel(); return <-done })
}

// TryOfficer is the code of the officer as whom a counter of TryOut signs by itself, TryApprover that of another who approves
// what needs two.
const (
	TryOfficer  = "demo-1"
	TryApprover = "demo-2"
)

// TryOut defines an office with long hours and enrols a counter in it, so that things can be tried at any time. In a log that
// is marked as a demonstration it also enrols an officer whose key lies beside the counter's. It returns the folder of the
// counter's bundle. Repeating it renews only the bundle.
func (p *Parts) TryOut(ctx context.Context, office, counter string) (bundle string, err error) {
	if p.secrets.Sealed() {
		return "", refuse("the keys here are sealed, and a counter of this machine would need its own in the clear beside them: start the hub with shomei all, and give a counter its bundle with shomei counter enrol")
	}
	if _, known := p.Directory.Offices()[office]; !known {
		if err := p.DefineOffice(ctx, office, tryOutOffice(office[:5])); err != nil {
			return "", err
		}
	}
	if err := p.Issuer.HoldDueCeremonies(ctx); err != nil {
		return "", err
	}
	bundle, err = p.EnrolCounter(ctx, office, counter, "counter", office[:5]+"A001")
	if err != nil || !p.Demonstration || !p.Directory.Trial() {
		return bundle, err
	}
	return bundle, p.enrolTryOfficers(ctx, office, bundle)
}

// enrolTryOfficers enrols two officers whose keys are a program's, and gives them to the counter of a bundle.
func (p *Parts) enrolTryOfficers(ctx context.Context, office, folder string) error {
	files := map[string]string{TryOfficer: "officer.key", TryApprover: "approver.key"}
	for _, code := range []string{TryOfficer, TryApprover} {
		if err := p.enrolTryOfficer(ctx, office, code, filepath.Join(folder, files[code])); err != nil {
			return err
		}
	}
	bundle, err := counterlink.ReadBundle(folder)
	if err != nil {
		return err
	}
	bundle.Officer, bundle.OfficerKey = TryOfficer, files[TryOfficer]
	bundle.Approver, bundle.ApproverKey = TryApprover, files[TryApprover]
	return bundle.Write(folder)
}

func (p *Parts) enrolTryOfficer(ctx context.Context, office, code, file string) error {
	stored, err := p.secrets.Make(file, func() ([]byte, error) { return officer.NewSoftKey().Bytes(), nil })
	if err != nil {
		return err
	}
	key, err := officer.ParseSoftKey(stored)
	if err != nil {
		return err
	}
	passkey := key.Passkey()
	known, err := p.Directory.OfficersOf(office, p.Clock.Now()).Officer(code)
	if err != nil {
		err := p.recordOffice(ctx, p.envelope(), office, &events.OfficerEnrolled{
			Officer: code, Roles: []string{string(officer.Clerk), string(officer.Approver)},
		})
		if err != nil {
			return err
		}
	}
	if _, err := known.Key(passkey.Credential); err == nil {
		return nil
	}
	outcome, err := p.as(eventlog.RoleRA).Update(ctx, events.KindOffice, office, p.envelope(), func(eventlog.Head) ([]*events.Event, error) {
		return []*events.Event{events.New(&events.PasskeyEnrolled{
			Officer: code, Credential: passkey.Credential, PublicKey: passkey.PublicKey, RelyingParty: passkey.RelyingParty, Software: true,
		})}, nil
	})
	if err != nil {
		return err
	}
	return p.Directory.Learn(events.KindOffice, office, outcome.Commit)
}

// tryOutOffice returns an office that is always open: nobody who tries things out on a Sunday is turned away.
func tryOutOffice(municipality string) *events.OfficeDefined {
	const forEver = 253402268400000 // 9999-12-31
	return &events.OfficeDefined{
		Municipality: municipality, Prefecture: municipality[:2], Name: "山武市", PrefectureRomaji: "Chiba-ken",
		MunicipalityRomaji: "Sammu-shi", EffectiveFrom: "2000-01-01", Telephone: "0475-80-1141",
		Exceptions: []*events.HoursException{{FromMs: 1, UntilMs: forEver, Open: true}},
	}
}
