package vaultlink

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
	"shomei/pkg/vault"
)

// TestARequestIsTakenOnce: whoever recorded it gets nothing for it, at once or later.
func TestARequestIsTakenOnce(t *testing.T) {
	c := newCentre(t)
	c.start()
	ra := c.ra()
	r := ra.request(t, &events.VaultCall{Person: person, Verb: &events.VaultCall_Renew{Renew: &events.VaultRenew{RecordClass: vault.Contact}}})
	c.sealed(person, vault.Contact)
	check(t, c.vault.Erase(person, vault.Contact))
	if answer := c.raw(Renew, r.data); len(answer.GetSealed()) == 0 {
		t.Fatalf("the first time: %v", answer)
	}
	check(t, c.vault.EraseAll([]vault.Erasure{{Person: person, Class: vault.Contact, Version: 2}}))
	begin := c.clock()
	for _, later := range []time.Duration{0, -30 * time.Second, 30 * time.Second, validFor, validFor + time.Second, time.Hour} {
		c.setClock(begin.Add(later))
		if answer := c.raw(Renew, r.data); answer.GetRefused() == "" || len(answer.GetSealed()) > 0 {
			t.Errorf("once more after %v: %v", later, answer)
		}
	}
	if _, err := c.vault.Seal(person, vault.Contact, placeOf(person), nil); !errors.Is(err, vault.ErrErased) {
		t.Errorf("a repeated request has made a key: %v", err)
	}
}

// TestAnAlteredRequestIsNotTaken alters every byte.
func TestAnAlteredRequestIsNotTaken(t *testing.T) {
	c := newCentre(t)
	c.start()
	r := c.ra().request(t, sealCallOf(person))
	for i := range r.data {
		altered := bytes.Clone(r.data)
		altered[i] ^= 0x40
		if answer := c.raw(Seal, altered); answer.GetRefused() == "" || len(answer.GetSealed()) > 0 {
			t.Fatalf("altered at byte %d of %d: %v", i, len(altered), answer)
		}
	}
	c.untouched(person)
	if answer := c.raw(Seal, r.data); len(answer.GetSealed()) == 0 {
		t.Errorf("unaltered: %v", answer)
	}
}

// TestWhoeverIsNotEnrolledGetsNothing: a stranger, a retired writer at once, and a writer whom the log knows by a role that
// may not.
func TestWhoeverIsNotEnrolledGetsNothing(t *testing.T) {
	c := newCentre(t)
	c.start()
	stranger, err := nkeys.CreateUser()
	check(t, err)
	if _, err := c.client(stranger).Seal(person, vault.Identity, placeOf(person), nil); !errors.Is(err, ErrRefused) {
		t.Errorf("a stranger: %v", err)
	}
	key := c.enrol(eventlog.RoleNotifier)
	notifier, sealed := c.client(key), c.sealed("somebody", vault.Contact)
	check(t, errorOnly(notifier.Open("somebody", placeOf("somebody"), sealed)))
	c.retire(key)
	if got, err := notifier.Open("somebody", placeOf("somebody"), sealed); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "retired") {
		t.Errorf("a retired key opened %q: %v", got, err)
	}
	c.untouched(person)
}

// TestRequestsThatAreNotBelieved: each is refused, and nothing of it is done.
func TestRequestsThatAreNotBelieved(t *testing.T) {
	c := newCentre(t)
	c.start()
	ra, issuer := c.ra(), c.client(c.enrol(eventlog.RoleIssuer))
	otherKey, err := sealKEM().GenerateKey()
	check(t, err)
	made := func(at time.Time) []byte {
		r, err := newRequest(sealCallOf(person), ra.key, ra.writer, ra.vaultKey, at)
		check(t, err)
		return r.data
	}
	changed := func(key nkeys.KeyPair, change func(*events.VaultRequest)) []byte {
		return resigned(t, ra.request(t, sealCallOf(person)).data, key, change)
	}
	toAnother, err := newRequest(sealCallOf(person), ra.key, ra.writer, otherKey.PublicKey(), c.clock())
	check(t, err)
	for name, row := range map[string]struct {
		data []byte
		says string
	}{
		"from the future":       {made(c.clock().Add(validFor + time.Second)), "clocks"},
		"from the past":         {made(c.clock().Add(-validFor - time.Second)), "clocks"},
		"from the end of time":  {made(time.UnixMilli(1<<63 - 1)), "clocks"},
		"from before all time":  {made(time.UnixMilli(-1 << 63)), "clocks"},
		"to another vault":      {toAnother.data, "does not open"},
		"another's, re-signed":  {changed(issuer.key, func(*events.VaultRequest) {}), "does not open"},
		"under another nonce":   {changed(ra.key, func(r *events.VaultRequest) { r.Nonce[3] ^= 1 }), "does not open"},
		"with a short nonce":    {changed(ra.key, func(r *events.VaultRequest) { r.Nonce = r.Nonce[:15] }), "nonce"},
		"with a short key":      {changed(ra.key, func(r *events.VaultRequest) { r.AnswerKey = nil }), "key"},
		"with nothing sealed":   {changed(ra.key, func(r *events.VaultRequest) { r.Sealed = nil }), "does not open"},
		"larger than allowed":   {make([]byte, MaxRequest+1), "limit"},
		"empty":                 {nil, "enrolled"},
		"no request":            {[]byte("SEAL identity"), "not a request"},
		"signed as another key": {claimed(t, ra.request(t, sealCallOf(person)).data, issuer.writer), "signature"},
	} {
		t.Run(name, func(t *testing.T) {
			if answer := c.raw(Seal, row.data); !strings.Contains(answer.GetRefused(), row.says) || len(answer.GetSealed()) > 0 {
				t.Errorf("answered %v", answer)
			}
			c.untouched(person)
		})
	}
}

// resigned changes the request within and signs it with a key.
func resigned(t *testing.T, data []byte, key nkeys.KeyPair, change func(*events.VaultRequest)) []byte {
	t.Helper()
	signed, request := &events.SignedVaultRequest{}, &events.VaultRequest{}
	check(t, proto.Unmarshal(data, signed))
	check(t, proto.Unmarshal(signed.GetRequest(), request))
	change(request)
	encoded, err := events.Encode(request)
	check(t, err)
	signed, err = events.SignVaultRequest(encoded, key)
	check(t, err)
	data, err = events.Encode(signed)
	check(t, err)
	return data
}

// claimed names another writer than the one who signed.
func claimed(t *testing.T, data []byte, writer string) []byte {
	t.Helper()
	signed := &events.SignedVaultRequest{}
	check(t, proto.Unmarshal(data, signed))
	signed.Writer = writer
	data, err := events.Encode(signed)
	check(t, err)
	return data
}

// TestAVerbIsAskedOnItsOwnSubject: rights on NATS are by subject.
func TestAVerbIsAskedOnItsOwnSubject(t *testing.T) {
	c := newCentre(t)
	c.start()
	ra := c.ra()
	for _, verb := range []Verb{Open, Renew} {
		r := ra.request(t, sealCallOf(person))
		data, err := proto.Marshal(c.raw(verb, r.data))
		check(t, err)
		if answer, err := r.open(data); err != nil || answer.GetOutcome() != events.VaultOutcome_VAULT_OUTCOME_REFUSED {
			t.Errorf("sealing asked under %s: %v, %v", verb, answer, err)
		}
	}
	c.untouched(person)
}

// TestAnswersGoToInboxesOnly: whoever chooses the reply subject has the vault publish nowhere else.
func TestAnswersGoToInboxesOnly(t *testing.T) {
	c := newCentre(t)
	stop := c.start()
	ra := c.ra()
	check(t, errorOnly(ra.Seal("somebody", vault.Identity, placeOf("somebody"), nil))) // it listens
	log, conn := c.listen("shomei.log.>")
	for _, reply := range []string{"shomei.log.subscriber.000.x", "", "_INBOX", "_INBOXES.a", "$JS.ACK.x", "_R_", "_INBOX.a b.c"} {
		if ownInbox(reply) {
			t.Errorf("%q counts as an inbox", reply)
		}
	}
	check(t, c.conn.PublishRequest(Seal.subject(), "shomei.log.subscriber.000.x", ra.request(t, sealCallOf(person)).data))
	if answer := c.raw(Seal, ra.request(t, sealCallOf("somebody")).data); len(answer.GetSealed()) == 0 {
		t.Errorf("the next request: %v", answer)
	}
	stop()
	check(t, errors.Join(c.conn.Flush(), conn.Flush()))
	if n, _, err := log.Pending(); n > 0 || err != nil {
		t.Errorf("the vault answered into the log %d times, %v", n, err)
	}
	c.untouched(person)
}

// TestOneWritersFloodKeepsNoOtherOut: its own requests wait, another's don't.
func TestOneWritersFloodKeepsNoOtherOut(t *testing.T) {
	c := newCentre(t)
	c.start()
	flooding, other := c.ra(), c.ra()
	check(t, errorOnly(flooding.Seal(person, vault.Identity, placeOf(person), nil)))
	a := c.server.asker(flooding.writer)
	check(t, a.work.Acquire(t.Context(), workBytes))
	done := make(chan error, 1)
	go func() { done <- errorOnly(flooding.Seal(person, vault.Identity, placeOf(person), nil)) }()
	busy := c.server.requests.WithLabelValues(string(Seal), string(eventlog.RoleRA), "unknown", "busy")
	natstest.Wait(t, limit, "two refusals for now", func() bool { return testutil.ToFloat64(busy) >= 2 })
	check(t, errorOnly(other.Seal(person, vault.Identity, placeOf(person), nil)))
	hasty := *flooding
	hasty.patience = 100 * time.Millisecond
	if err := errorOnly(hasty.Seal(person, vault.Identity, placeOf(person), nil)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("with as much at work as allowed: %v", err)
	}
	a.work.Release(workBytes)
	check(t, <-done)
}

// TestWhatTheVaultRemembersIsBounded: of one writer, as many requests as are allowed, for as long as they are new.
func TestWhatTheVaultRemembersIsBounded(t *testing.T) {
	a, now := newAsker(), time.Date(2020, 1, 15, 1, 0, 0, 0, time.UTC)
	nonce := func(i int) []byte { return fmt.Appendf(nil, "%016d", i) }
	for i := range maxNonces {
		leave, err := a.enter(nonce(i), now, now, 1)
		check(t, err)
		leave()
	}
	if _, err := a.enter(nonce(maxNonces), now, now, 1); !errors.Is(err, errBusy) {
		t.Errorf("one more: %v", err)
	}
	if _, err := a.enter(nonce(7), now, now.Add(validFor), 1); !errors.Is(err, errTwice) {
		t.Errorf("one of them again: %v", err)
	}
	now = now.Add(validFor + nonceSpan)
	leave, err := a.enter(nonce(maxNonces), now, now, 1)
	check(t, err)
	leave()
	if a.count != 1 || len(a.seen) != 1 {
		t.Errorf("%d in %d spans are left", a.count, len(a.seen))
	}
	if !a.work.TryAcquire(workBytes) {
		t.Error("work that ended is still counted")
	}
}

// TestANonceIsTakenOnceWheneverItComes tries any order of requests under a clock that moves.
func TestANonceIsTakenOnceWheneverItComes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, now := newAsker(), time.UnixMilli(1_579_050_000_000)
		taken := make(map[string]bool)
		for range rapid.IntRange(1, 60).Draw(t, "requests") {
			now = now.Add(time.Duration(rapid.IntRange(0, 45_000).Draw(t, "passes")) * time.Millisecond)
			made := time.UnixMilli(1_579_050_000_000).Add(time.Duration(rapid.IntRange(-90, 300).Draw(t, "made")) * time.Second)
			key := fmt.Sprintf("%016d", rapid.IntRange(0, 3).Draw(t, "nonce"))
			_, err := a.enter([]byte(key), made, now, 1)
			id := key + made.String() // a nonce under another time is another request, and signed as such
			if off := now.Sub(made).Abs(); err == nil && (off > validFor || taken[id]) {
				t.Fatalf("taken %v off, before: %v", off, taken[id])
			}
			taken[id] = taken[id] || err == nil
		}
	})
}

// FuzzRequest: whatever comes over the wire, what is taken was signed by whom it names.
func FuzzRequest(f *testing.F) {
	key, err := nkeys.FromRawSeed(nkeys.PrefixByteUser, bytes.Repeat([]byte{7}, 32))
	check(f, err)
	vaultKey, err := sealKEM().NewPrivateKey(bytes.Repeat([]byte{9}, keySize))
	check(f, err)
	valid, err := newRequest(sealCallOf(person), key, public(f, key), vaultKey.PublicKey(), time.UnixMilli(1_579_050_000_000))
	check(f, err)
	f.Add(valid.data)
	f.Add(valid.data[:len(valid.data)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := parseRequest(data, func(string) error { return nil })
		if err != nil {
			return
		}
		signed := &events.SignedVaultRequest{}
		check(t, proto.Unmarshal(data, signed))
		if signed.Verify() != nil || signed.GetWriter() != r.writer || len(r.request.GetNonce()) != nonceSize {
			t.Fatalf("taken: %v", r)
		}
		if call, err := r.open(vaultKey); err == nil && call.GetPerson() != person {
			t.Fatalf("opened: %v", call)
		}
	})
}
