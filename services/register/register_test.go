package register_test

import (
	"bytes"
	"context"
	"crypto/hpke"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/natstest"
	"shomei/pkg/registerlink"
	"shomei/services/register"
	"shomei/services/servicetest"
)

const (
	recorded = events.RegisterResult_REGISTER_RESULT_RECORDED
	known    = events.RegisterResult_REGISTER_RESULT_KNOWN
	nobody   = events.RegisterResult_REGISTER_RESULT_NOBODY
	refused  = events.RegisterResult_REGISTER_RESULT_REFUSED
)

// centre is a centre with its gateway and a register of one office.
type centre struct {
	*servicetest.World
	holder *servicetest.Life
	own    *servicetest.Desk
	seal   hpke.PrivateKey
	// wire has heard every batch, as it went over NATS.
	wire *nats.Subscription
}

func newCentre(t *testing.T) *centre {
	t.Helper()
	c := &centre{World: servicetest.New(t, "2024-03-05 10:00")}
	key, seal := servicetest.NewKey(t), newSealKey(t)
	c.seal = seal
	c.holder = c.Enrol(servicetest.Office, "c1", "counter").Hold("100")
	c.own = c.Enrol(servicetest.Office, "12237-main-register-1", "register")
	c.Record(events.KindOffice, servicetest.Office, &events.CounterEnrolled{
		Counter: register.Source(servicetest.Office), PublicKey: servicetest.Public(t, key), SealKey: seal.PublicKey().Bytes(), Role: "register",
	})
	gateway, err := register.New(register.Config{
		Conn: c.Conn, Log: c.Log, Directory: c.Directory, Key: key, SealKey: seal, HubSealKey: c.SealKey(), Subscriber: c.Subscriber,
		Clock: c.Clock.Now, ClockEvidence: func() string { return counterlink.ClockSimulated }, Logger: c.Logger(),
	})
	servicetest.Check(t, err)
	for _, run := range []func(context.Context) error{c.RA.Run, gateway.Run} {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- run(ctx) }()
		t.Cleanup(func() { cancel(); servicetest.Check(t, <-done) })
	}
	natstest.Wait(t, 10*time.Second, "the gateway to listen", func() bool {
		_, err := c.Conn.Request(registerlink.Subject(c.own.Office), nil, time.Second)
		return err == nil
	})
	c.wire, err = c.Conn.SubscribeSync("shomei.register.>")
	servicetest.Check(t, err)
	return c
}

func newSealKey(t *testing.T) hpke.PrivateKey {
	t.Helper()
	key, err := counterlink.NewSealKey()
	servicetest.Check(t, err)
	return key
}

// client returns the client of a register that says it is enrolled at an office.
func (c *centre) client(id, office string, key nkeys.KeyPair) *registerlink.Client {
	return &registerlink.Client{
		Conn: c.Conn, Register: id, Office: office, Key: key, Gateway: c.seal.PublicKey(), Clock: c.Clock.Now, Patience: 30 * time.Second,
	}
}

func moved(id string, person *events.Personal, address string) *events.RegisterChange {
	record := proto.CloneOf(person.GetRecord())
	record.Address = address
	return &events.RegisterChange{Id: id, Record: record, Told: &events.RecordChangeNotified{
		Change: events.RecordChange_RECORD_CHANGE_ADDRESS, CausedOn: "2024-03-04",
	}}
}

// batch has one of everything: of a holder, of nobody, and three that are wrong.
func batch() []*events.RegisterChange {
	wrong := moved("R-3", servicetest.Resident("100"), "千葉県山武市殿台300番地")
	wrong.Told.CausedOn, wrong.Record.ResidentCode = "きのう", "1234567890"
	return []*events.RegisterChange{
		moved("R-1", servicetest.Resident("100"), "千葉県山武市殿台300番地"), moved("R-2", servicetest.Resident("999"), "千葉県山武市殿台301番地"),
		wrong, moved("", servicetest.Resident("100"), ""),
		{Id: "R-5"},
	}
}

func results(outcomes []*events.RegisterOutcome) (list []events.RegisterResult) {
	for _, o := range outcomes {
		list = append(list, o.GetResult())
	}
	return list
}

// TestAChangeIsRecordedOnceAndWhatIsWrongIsNamed sends a batch twice. No name, address or code passes NATS in the clear, and no
// fault repeats a value.
func TestAChangeIsRecordedOnceAndWhatIsWrongIsNamed(t *testing.T) {
	c := newCentre(t)
	client := c.client(c.own.ID, c.own.Office, c.own.Key)
	for _, want := range []events.RegisterResult{recorded, known} {
		outcomes, err := client.Send(t.Context(), " ００４２", batch())
		servicetest.Check(t, err)
		if got := results(outcomes); !slices.Equal(got, []events.RegisterResult{want, nobody, refused, refused, refused}) {
			t.Errorf("the outcomes are %v", got)
		}
		text := make([]string, len(outcomes))
		for i, o := range outcomes {
			for _, f := range o.GetFaults() {
				text[i] += f.GetField() + "/" + f.GetWhy() + " "
			}
		}
		if want := []string{"", "", "person.resident_code/code caused_on/day ", "id/empty person.address/empty ", "change/unknown "}; !sameFaults(text, want) {
			t.Errorf("the faults are %q, want %q", text, want)
		}
	}
	if n := c.Count(c.holder.Subscriber, "ResidentRecordChanged"); n != 1 {
		t.Errorf("recorded %d times", n)
	}
	// What the person's code was corrected to is the same person.
	corrected := moved("R-6", servicetest.Resident("100"), "")
	corrected.Told.Change, corrected.Record.CorrectedCode = events.RecordChange_RECORD_CHANGE_RESIDENT_CODE, servicetest.Code("777")
	again := moved("R-7", servicetest.Resident("777"), "千葉県山武市殿台302番地")
	outcomes, err := client.Send(t.Context(), "0042", []*events.RegisterChange{corrected})
	servicetest.Check(t, err)
	later, err := client.Send(t.Context(), "0042", []*events.RegisterChange{again})
	servicetest.Check(t, err)
	if got := results(append(outcomes, later...)); !slices.Equal(got, []events.RegisterResult{recorded, recorded}) {
		t.Errorf("a corrected code and a change under it: %v", got)
	}
	heard, _, err := c.wire.Pending()
	servicetest.Check(t, err)
	for range heard {
		m, err := c.wire.NextMsg(time.Second)
		servicetest.Check(t, err)
		for _, secret := range []string{"試験", "殿台", servicetest.Code("100"), "1234567890", "R-1"} {
			if bytes.Contains(m.Data, []byte(secret)) {
				t.Errorf("%s passes NATS in the clear", secret)
			}
		}
	}
	if heard != 4 {
		t.Errorf("%d batches were heard", heard)
	}
}

// sameFaults compares faults in any order.
func sameFaults(got, want []string) bool {
	return slices.EqualFunc(got, want, func(a, b string) bool {
		x, y := strings.Fields(a), strings.Fields(b)
		slices.Sort(x)
		slices.Sort(y)
		return slices.Equal(x, y)
	})
}

// TestOnlyAnOfficesOwnRegisterIsBelieved tries everybody else. None of it leaves anything in the history of a holder.
func TestOnlyAnOfficesOwnRegisterIsBelieved(t *testing.T) {
	c := newCentre(t)
	c.DefineOffice("12238-main", &events.OfficeDefined{})
	other := c.Enrol("12238-main", "12238-main-register-1", "register")
	gone := c.Enrol(servicetest.Office, "12237-main-register-2", "register")
	c.Record(events.KindOffice, servicetest.Office, &events.CounterRetired{Counter: gone.ID})
	phone := c.Enrol(servicetest.Office, "12237-main-telephone-1", "telephone")
	change := []*events.RegisterChange{moved("R-1", servicetest.Resident("100"), "千葉県山武市殿台300番地")}
	past, stranger := c.client(c.own.ID, c.own.Office, c.own.Key), servicetest.NewKey(t)
	past.Clock = func() time.Time { return c.Clock.Now().Add(-6 * time.Minute) }
	elsewhere := c.client(c.own.ID, c.own.Office, c.own.Key)
	elsewhere.Gateway = newSealKey(t).PublicKey()
	for name, one := range map[string]struct {
		client *registerlink.Client
		why    string
	}{
		"another office's register":            {c.client(other.ID, c.own.Office, other.Key), "no register"},
		"on another office's subject":          {c.client(c.own.ID, "12238-main", c.own.Key), "no register"},
		"where the gateway is not enrolled":    {c.client(other.ID, "12238-main", other.Key), "not enrolled at office 12238-main"},
		"a retired register":                   {c.client(gone.ID, gone.Office, gone.Key), "retired"},
		"the telephone desk":                   {c.client(phone.ID, phone.Office, phone.Key), "no register"},
		"the gateway's own name":               {c.client(register.Source(c.own.Office), c.own.Office, c.own.Key), "no register"},
		"a stranger under the register's name": {c.client(c.own.ID, c.own.Office, stranger), "signature"},
		"a batch of long ago":                  {past, "clocks"},
		"sealed to another":                    {elsewhere, "does not open"},
	} {
		one.client.Patience = 5 * time.Second
		outcomes, err := one.client.Send(t.Context(), "0042", change)
		if !errors.Is(err, registerlink.ErrRefused) || !strings.Contains(err.Error(), one.why) {
			t.Errorf("%s: %v, %v", name, outcomes, err)
		}
	}
	own := c.client(c.own.ID, c.own.Office, c.own.Key)
	for name, officer := range map[string]string{"no officer": "", "a name": "山武 花子"} {
		if _, err := own.Send(t.Context(), officer, change); !errors.Is(err, registerlink.ErrRefused) || officer != "" && strings.Contains(err.Error(), officer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	many := slices.Repeat(change, registerlink.MaxChanges+1)
	long := moved("R-2", servicetest.Resident("100"), strings.Repeat("町", registerlink.MaxBatch/3))
	for name, changes := range map[string][]*events.RegisterChange{"too many": many, "too large": {long}, "none": {}} {
		if _, err := own.Send(t.Context(), "0042", changes); !errors.Is(err, registerlink.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c.tampered(t)
	if n := c.Count(c.holder.Subscriber, "ResidentRecordChanged"); n > 0 {
		t.Errorf("%d changes were recorded", n)
	}
}

// tampered takes a batch off the wire that was refused for its officer alone, and sends it unsigned, changed, cut and too long.
func (c *centre) tampered(t *testing.T) {
	t.Helper()
	var good *events.SignedRegisterBatch
	for good == nil {
		m, err := c.wire.NextMsg(time.Second)
		servicetest.Check(t, err)
		signed, inner := &events.SignedRegisterBatch{}, &events.RegisterBatch{}
		if proto.Unmarshal(m.Data, signed) == nil && proto.Unmarshal(signed.GetBatch(), inner) == nil &&
			inner.GetRegister() == c.own.ID && signed.Verify(servicetest.Public(t, c.own.Key)) == nil {
			good = signed
		}
	}
	changed := slices.Clone(good.GetBatch())
	changed[len(changed)-1] ^= 1
	for name, m := range map[string]*events.SignedRegisterBatch{
		"unsigned": {Batch: good.GetBatch()}, "changed": {Batch: changed, Signature: good.GetSignature()}, "empty": {},
		"too long": {Batch: make([]byte, registerlink.MaxBatch), Signature: good.GetSignature()},
	} {
		data, err := events.Encode(m)
		servicetest.Check(t, err)
		reply, err := c.Conn.Request(registerlink.Subject(c.own.Office), data, 10*time.Second)
		servicetest.Check(t, err)
		answer := &events.RegisterAnswer{}
		if err := proto.Unmarshal(reply.Data, answer); err != nil || answer.GetRefused() == "" || len(answer.GetSealed()) > 0 {
			t.Errorf("%s: %v, %v", name, answer, err)
		}
	}
	// An answer goes to an inbox and nowhere else.
	heard, err := c.Conn.SubscribeSync(events.LogSubjects)
	servicetest.Check(t, err)
	servicetest.Check(t, c.Conn.PublishRequest(registerlink.Subject(c.own.Office), events.LogSubject(events.KindOffice, "x"), []byte("?")))
	_, err = c.Conn.Request(registerlink.Subject(c.own.Office), []byte("?"), 10*time.Second)
	servicetest.Check(t, err)
	if n, _, err := heard.Pending(); n > 0 || err != nil {
		t.Errorf("%d answers on a subject of the log, %v", n, err)
	}
}

// TestWithoutAGatewayTheRegisterIsToldSo: nobody listens, and then somebody does.
func TestWithoutAGatewayTheRegisterIsToldSo(t *testing.T) {
	conn := natstest.Connect(t, natstest.Start(t).URL())
	client := &registerlink.Client{
		Conn: conn, Register: "r", Office: "o", Key: servicetest.NewKey(t), Gateway: newSealKey(t).PublicKey(), Clock: time.Now,
		Patience: 200 * time.Millisecond,
	}
	change := []*events.RegisterChange{moved("R-1", servicetest.Resident("100"), "x")}
	if _, err := client.Send(t.Context(), "1", change); !errors.Is(err, registerlink.ErrUnavailable) {
		t.Errorf("nobody listens: %v", err)
	}
	// Whoever answers without the gateway's key is not believed.
	sub, err := conn.Subscribe("shomei.register.>", func(m *nats.Msg) {
		data, err := events.Encode(&events.RegisterAnswer{Sealed: bytes.Repeat([]byte{1}, 60)})
		if err == nil {
			err = m.Respond(data)
		}
		if err != nil {
			t.Error(err)
		}
	})
	servicetest.Check(t, err)
	if _, err := client.Send(t.Context(), "1", change); !errors.Is(err, registerlink.ErrUnavailable) {
		t.Errorf("a false gateway: %v", err)
	}
	servicetest.Check(t, sub.Unsubscribe())
}
