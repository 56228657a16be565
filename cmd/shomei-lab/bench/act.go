package bench

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"time"

	"shomei/cmd/shomei-lab/simulation"
	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/civil"
)

// counters is how many counters work at a time.
const counters = 16

// mostCore is the goal for the processor time of an act, in milliseconds.
const mostCore = 8

const benchOffice = "12237-main"

// acts measures whole issues of two certificates to people at counters, over the real wire: four claims, six commits,
// two signatures, six commands and answers. The floor publishes as many messages of the same sizes to three streams of
// the same server and makes two RSA signatures, in the same order, without our code.
func acts(ctx context.Context, o Options) (figures []Figure, err error) {
	folder, remove, err := o.scratch()
	if err != nil {
		return nil, err
	}
	defer remove()
	h, err := hub.Start(ctx, hub.Config{
		Data: folder, Clock: filepath.Join(folder, "clock"), Begin: actsOpen, Logger: silent,
	}, hub.ByHand...)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	a := &acting{ctx: ctx, now: h.Clock.Now}
	defer func() { err = errors.Join(err, a.close()) }()
	enrolled, err := enrolAll(ctx, h)
	if err != nil {
		return nil, err
	}
	if err := a.open(enrolled, folder); err != nil {
		return nil, err
	}
	bare, err := openBareActs(ctx, h)
	if err != nil {
		return nil, err
	}
	before, err := bare.stored(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := turn(counters, o.Span/2, a.act); err != nil { // warms everything up
		return nil, err
	}
	sizes, err := bare.sizes(ctx, before, uint64(a.acts.Load()))
	if err != nil {
		return nil, err
	}
	var mine, floors []sample
	for n := range o.Turns {
		f, err := turn(counters, o.Span, func(_ int, i int64) error { return bare.act(ctx, sizes, i) })
		if err != nil {
			return nil, err
		}
		m, err := turn(counters, o.Span, a.act)
		if err != nil {
			return nil, err
		}
		o.say("acts, turn %d: %.1f/s, floor %.1f/s (%.1f and %.1f ms of a core)", n+1, m.perSecond, f.perSecond, m.core, f.core)
		mine, floors = append(mine, m), append(floors, f)
	}
	ours, floor := medians(mine), medians(floors)
	return []Figure{
		{Part: "acts", Name: fmt.Sprintf("%d counters, two certificates each", counters), Value: ours.perSecond, Unit: "acts/s", Floor: floor.perSecond, OfFloor: 0.6, Why: whyActs},
		{Name: "half of them within", Value: ours.p50, Unit: "ms", Floor: floor.p50},
		{Name: "99 of 100 within", Value: ours.p99, Unit: "ms", Floor: floor.p99},
		{Name: "processor time of hub and counters for one", Value: ours.core, Unit: "ms", Floor: floor.core, AtMost: mostCore},
	}, nil
}

// acting is a centre with counters at it.
type acting struct {
	ctx      context.Context
	now      func() time.Time // the centre's clock
	counters []*counter
	requests [][]byte
	acts     atomic.Int64
}

// actsOpen is a day on which an office is open.
var actsOpen = civil.New(2019, 6, 3).At(civil.Clock(10, 0))

// enrolAll defines the office and enrols its counters.
func enrolAll(ctx context.Context, h *hub.Hub) (all []enrolment, err error) {
	err = h.DefineOffice(ctx, benchOffice, &events.OfficeDefined{
		Municipality: benchOffice[:5], Prefecture: "12", Name: "山武市", PrefectureRomaji: "Chiba-ken",
		MunicipalityRomaji: "Sammu-shi", EffectiveFrom: "2000-01-01",
	})
	for i := 0; i < counters && err == nil; i++ {
		var e enrolment
		e, err = enrol(ctx, h, benchOffice, fmt.Sprintf("%s-%d", benchOffice, i+1), fmt.Sprintf("%sB%03d", benchOffice[:5], i+1))
		all = append(all, e)
	}
	return all, err
}

// open links the counters up, with requests for certificates that are made in a folder.
func (a *acting) open(enrolled []enrolment, folder string) (err error) {
	for _, e := range enrolled {
		d, err := e.link()
		if err != nil {
			return err
		}
		a.counters = append(a.counters, d)
	}
	a.requests, err = simulation.Requests(filepath.Join(folder, "requests"))
	return err
}

// close ends the counters.
func (a *acting) close() error {
	var errs []error
	for _, d := range a.counters {
		errs = append(errs, d.close())
	}
	return errors.Join(errs...)
}

// act is one issue at one counter, from the application to the hand-over.
func (a *acting) act(seat int, _ int64) error {
	n := a.acts.Add(1)
	v := visit{acting: a, counter: a.counters[seat], n: n, procedure: fmt.Sprintf("act-%d", n), card: fmt.Sprintf("bench-card-%d", n)}
	if err := v.through(); err != nil {
		return fmt.Errorf("act %d: %w", n, err)
	}
	return nil
}

// visit is one person at one counter.
type visit struct {
	*acting
	counter         *counter
	n               int64
	procedure, card string
	subscriber      string
}

func (v *visit) through() error {
	record := &events.ResidentRecord{
		ResidentCode: fmt.Sprintf("8%010d", v.n), Name: "測定　花子", BirthDate: "1980-06-18", Sex: 2, Address: "千葉県山武市殿台296番地",
		Registered: true, Municipality: benchOffice[:5],
	}
	err := v.report(&events.Claim{Fact: &events.Claim_ApplicationReceived{ApplicationReceived: &events.ApplicationReceived{
		Operation: events.Operation_OPERATION_ISSUE, Channel: events.Channel_CHANNEL_SELF, Card: v.card,
		CardKind:  events.CardKind_CARD_KIND_MYNUMBER,
		Documents: []string{"application-form", "card", "photo-id:current-address"},
	}}}, &events.Personal{Record: record})
	if err != nil {
		return err
	}
	down, err := v.wait(func(d *events.Downlink) bool { return d.GetGenerateKeys() != nil })
	if err != nil {
		return err
	}
	v.subscriber = down.Subscriber
	made := &events.KeysGenerated{Obligation: down.Id, Card: v.card}
	for i, kind := range down.GetGenerateKeys().Kinds {
		made.Keys = append(made.Keys, &events.KeyRequest{Kind: kind, Request: v.requests[(int(v.n)+i)%len(v.requests)]})
	}
	if err := v.report(&events.Claim{Fact: &events.Claim_KeysGenerated{KeysGenerated: made}}, nil); err != nil {
		return err
	}
	if down, err = v.wait(func(d *events.Downlink) bool { return d.GetWriteCertificates() != nil }); err != nil {
		return err
	}
	written := &events.CardWritten{Obligation: down.Id, Card: v.card}
	for _, c := range down.GetWriteCertificates().Certificates {
		sum := sha256.Sum256(c.Certificate)
		written.Serials, written.CertificatesSha256 = append(written.Serials, c.Serial), append(written.CertificatesSha256, sum[:])
	}
	if err := v.answered(&events.Claim{Fact: &events.Claim_CardWritten{CardWritten: written}}); err != nil {
		return err
	}
	return v.answered(&events.Claim{Fact: &events.Claim_HandedOver{HandedOver: &events.HandedOver{Card: v.card, PaperCopy: true}}})
}

func (v *visit) report(claim *events.Claim, personal *events.Personal) error {
	now := v.now().UnixMilli()
	claim.Procedure, claim.Subscriber, claim.Officer = v.procedure, v.subscriber, "bench-1"
	claim.FiledMs, claim.CausedMs, claim.ClockEvidence = now, now, "simulated"
	return v.counter.report(v.ctx, claim, personal)
}

// answered reports a claim and waits until the hub has accepted it.
func (v *visit) answered(claim *events.Claim) error {
	if err := v.report(claim, nil); err != nil {
		return err
	}
	_, err := v.wait(func(d *events.Downlink) bool { return d.GetAnswer().GetClaim() == claim.Id })
	return err
}

// wait returns the next downlink that fits; a refusal ends the visit.
func (v *visit) wait(fits func(*events.Downlink) bool) (*events.Downlink, error) {
	timer := time.NewTimer(30 * time.Second)
	defer timer.Stop()
	for {
		select {
		case d := <-v.counter.down:
			switch answer := d.GetAnswer(); {
			case answer != nil && !answer.Accepted:
				return nil, fmt.Errorf("the hub refused: %v", answer.Refusals)
			case d.Procedure == v.procedure && fits(d):
				return d, nil
			}
		case <-timer.C:
			return nil, errors.New("no answer for 30 s")
		case <-v.ctx.Done():
			return nil, v.ctx.Err()
		}
	}
}
