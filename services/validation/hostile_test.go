package validation_test

import (
	"bytes"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"shomei/pkg/ca"
	"shomei/pkg/natstest"
	"shomei/pkg/published"
	"shomei/services/servicetest"
)

const signList = repository + "/sign-03.crl"

// lists returns an authority's published lists, the newest key's first.
func (p *place) lists(folder, id string) (all [][]byte) {
	p.T.Helper()
	text, err := os.ReadFile(filepath.Join(folder, id+".crl"))
	servicetest.Check(p.T, err)
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		all = append(all, block.Bytes)
	}
	return all
}

// signed is a list that the authority's key signed past the log.
func (p *place) signed(number uint64, from time.Time, entries ...ca.Revocation) []byte {
	p.T.Helper()
	folder := p.T.TempDir()
	p.PublishList("sign", folder, ca.CRLInput{Number: number, ThisUpdate: from, NextUpdate: from.Add(ca.CRLPeriod), Entries: entries})
	return p.lists(folder, "sign")[0]
}

// served waits until the first list is served, and returns it.
func (p *place) served() (list []byte) {
	p.T.Helper()
	p.await("a list", signList, func(r *http.Response, body []byte) bool { list = body; return r.StatusCode == 200 })
	return list
}

// Whoever can write to the bucket can't have anything served but lists that the authority signed, each later than the one
// before. The issuer's next look puts the bucket right.
func TestWhatIsNotALaterListIsNotServed(t *testing.T) {
	p := open(t)
	p.run()
	p.publish()
	first := p.served()
	p.World.Clock.SetTo(p.World.Clock.Now().Add(12 * time.Hour))
	servicetest.Check(t, p.Issuer.PublishLists(t.Context(), p.crls))
	p.await("the second list", signList, func(_ *http.Response, body []byte) bool { return !bytes.Equal(body, first) })
	now, second := p.World.Clock.Now(), p.served()
	number := p.number(signList)
	others := p.lists(p.crls, "sign")
	generation, err := p.Directory.Generations().At(ca.Sign, "", now)
	servicetest.Check(t, err)
	for name, planted := range map[string][]byte{
		"an older list": first, "another key's list": others[1], "another authority's list": p.lists(p.crls, "auth")[0], "garbage": []byte("garbage"),
		"a certificate": generation.DER, "half a list": second[:len(second)/2], "a list and more": append(bytes.Clone(second), 0),
		"another list of the same number": p.signed(number, now, ca.Revocation{Serial: 7, RevokedAt: now, Reason: ca.Superseded}),
		"a list of tomorrow":              p.signed(number+1, now.Add(time.Hour)),
	} {
		t.Run(name, func(t *testing.T) {
			servicetest.Check(t, p.World.Bucket.Put(t.Context(), "sign-03.crl", planted))
			natstest.Wait(t, 20*time.Second, "health to say it", func() bool {
				err := p.Check()
				return err != nil && strings.Contains(err.Error(), "sign-03.crl: what is published is not served")
			})
			if got := p.served(); !bytes.Equal(got, second) {
				t.Errorf("%d other bytes are served", len(got))
			}
			servicetest.Check(t, p.Issuer.PublishDue(t.Context(), p.crls))
			natstest.Wait(t, 20*time.Second, "health", func() bool { return p.Check() == nil })
			if got := p.served(); !bytes.Equal(got, second) {
				t.Errorf("then %d other bytes are served", len(got))
			}
		})
	}
	p.Logged.Await(t, "is not served")
	later := p.signed(number+1, now)
	servicetest.Check(t, p.World.Bucket.Put(t.Context(), "sign-03.crl", later))
	p.await("a later list", signList, func(_ *http.Response, body []byte) bool { return bytes.Equal(body, later) })
}

// A list that was made by a clock ahead of this one is served once its time has come.
func TestAListOfTomorrow(t *testing.T) {
	p := open(t)
	now := p.World.Clock.Now()
	list := p.signed(1, now.Add(10*time.Minute))
	servicetest.Check(t, p.World.Bucket.Put(t.Context(), "sign-03.crl", list))
	p.run()
	natstest.Wait(t, 20*time.Second, "health to say it", func() bool {
		err := p.Check()
		return err != nil && strings.Contains(err.Error(), "yet to come")
	})
	p.World.Clock.SetTo(now.Add(6 * time.Minute))
	if got := p.served(); !bytes.Equal(got, list) {
		t.Errorf("%d other bytes are served", len(got))
	}
}

// A list that is over is not taken up, but one that is served is served still: who reads it sees that it is over.
func TestListsThatAreOver(t *testing.T) {
	p := open(t)
	now := p.World.Clock.Now()
	servicetest.Check(t, p.World.Bucket.Put(t.Context(), "sign-03.crl", p.signed(1, now.Add(-ca.CRLPeriod))))
	p.run()
	natstest.Wait(t, 20*time.Second, "health to say it", func() bool {
		err := p.Check()
		return err != nil && strings.Contains(err.Error(), "has been over since")
	})
	if r, _ := p.get("GET", signList); r.StatusCode != 503 {
		t.Errorf("answered %d", r.StatusCode)
	}
	p.publish()
	list := p.served()
	p.World.Clock.SetTo(now.Add(48 * time.Hour))
	if got := p.served(); !bytes.Equal(got, list) {
		t.Errorf("%d other bytes are served", len(got))
	}
}

// The service begins anew while the log and NATS are away, and serves what it served. What its folder has lost or was
// changed in it comes anew once they are back.
func TestServingGoesOnWithoutNATS(t *testing.T) {
	p := open(t)
	p.run()
	p.publish()
	list := p.served()
	natstest.Wait(t, 20*time.Second, "all lists", func() bool { return p.Check() == nil })
	_, certificate := p.get("GET", repository+"/sign-03.cer")
	p.stop()
	p.Server.Shutdown()
	p.beginAlone()
	p.run()
	if got := p.served(); !bytes.Equal(got, list) {
		t.Errorf("%d other bytes are served", len(got))
	}
	if r, got := p.get("GET", repository+"/sign-03.cer"); r.StatusCode != 200 || !bytes.Equal(got, certificate) {
		t.Errorf("the authority's certificate: %d, %d bytes", r.StatusCode, len(got))
	}
	p.stop()

	for name, spoil := range map[string]func(string) error{
		"lost": os.Remove, "cut": func(path string) error { return os.Truncate(path, 100) },
		"garbage": func(path string) error { return os.WriteFile(path, []byte("garbage"), 0o600) },
	} {
		for _, file := range []string{"sign-03.crl", "sign-03.cer"} {
			servicetest.Check(t, spoil(filepath.Join(p.folder, file)))
			p.beginAlone()
			if p.Check() == nil && file == "sign-03.crl" {
				t.Errorf("%s %s: healthy", name, file)
			}
			servicetest.Check(t, os.WriteFile(filepath.Join(p.folder, "sign-03.crl"), list, 0o600))
			servicetest.Check(t, os.WriteFile(filepath.Join(p.folder, "sign-03.cer"), certificate, 0o600))
		}
	}
	p.beginAlone()
	if err := p.Check(); err != nil {
		t.Errorf("with everything put back: %v", err)
	}
}

// Its disk is full: what is new is served all the same, health says so, and it is kept once there is room.
func TestListsAreServedFromAFullDisk(t *testing.T) {
	p := open(t)
	p.smallFolder(64 << 10)
	p.run()
	p.publish()
	before := p.served()
	natstest.Wait(t, 20*time.Second, "all lists", func() bool { return p.Check() == nil })
	ballast := filepath.Join(p.folder, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 128<<10), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	p.World.Clock.SetTo(p.World.Clock.Now().Add(time.Hour))
	servicetest.Check(t, p.Issuer.PublishLists(t.Context(), p.crls))
	p.await("the next list", signList, func(_ *http.Response, body []byte) bool { return !bytes.Equal(body, before) })
	natstest.Wait(t, 20*time.Second, "health to say it", func() bool {
		err := p.Check()
		return err != nil && strings.Contains(err.Error(), "can't be kept")
	})
	servicetest.Check(t, os.Remove(ballast))
	natstest.Wait(t, 20*time.Second, "health", func() bool { return p.Check() == nil })
	kept, err := os.ReadFile(filepath.Join(p.folder, "sign-03.crl"))
	if err != nil || !bytes.Equal(kept, p.served()) {
		t.Errorf("kept %d bytes, %v", len(kept), err)
	}
}

// Health and metric tell how near the end of a list is.
func TestHealthTellsWhenAListEnds(t *testing.T) {
	p := open(t)
	p.run()
	p.publish()
	natstest.Wait(t, 20*time.Second, "all lists", func() bool { return p.Check() == nil })
	made := p.World.Clock.Now()
	for _, row := range []struct {
		after time.Duration
		said  string
	}{
		{0, ""},
		{ca.CRLPeriod - 31*time.Minute, ""},
		{ca.CRLPeriod - 29*time.Minute, "sign-03.crl is over at 2024-03-06T01:01:00Z and its successor has not come"},
		{ca.CRLPeriod, "sign-03.crl has been over since 2024-03-06T01:01:00Z"},
		{48 * time.Hour, "auth-03.crl has been over since"},
	} {
		p.World.Clock.SetTo(made.Add(row.after))
		err := p.Check()
		if row.said == "" && err != nil || row.said != "" && (err == nil || !strings.Contains(err.Error(), row.said)) {
			t.Errorf("after %v: %v, want %q", row.after, err, row.said)
		}
		if got, want := p.measured(), (ca.CRLPeriod - row.after).Seconds(); got != want {
			t.Errorf("after %v the metric says %v, want %v", row.after, got, want)
		}
	}
	servicetest.Check(t, p.Issuer.PublishDue(t.Context(), p.crls))
	natstest.Wait(t, 20*time.Second, "health", func() bool { return p.Check() == nil })
	// Ten years after its beginning a key has no list, and needs none.
	p.World.Clock.SetTo(time.Date(2025, 10, 20, 0, 0, 0, 0, time.UTC))
	servicetest.Check(t, p.Issuer.PublishDue(t.Context(), p.crls))
	natstest.Wait(t, 20*time.Second, "health", func() bool { return p.Check() == nil })
}

// A list that was taken up is not read again, and a bucket that is gone is named by health for as long as it is.
func TestTheBucketIsAskedForWhatIsNewOnly(t *testing.T) {
	p := open(t)
	p.run()
	p.publish()
	natstest.Wait(t, 20*time.Second, "all lists", func() bool { return p.Check() == nil })
	p.stop()
	js, err := p.Conn.JetStream()
	servicetest.Check(t, err)
	servicetest.Check(t, js.PurgeStream("OBJ_revocation", &nats.StreamPurgeRequest{Subject: "$O.revocation.C.>"}))
	p.Look(t.Context())
	if err := p.Check(); err != nil {
		t.Errorf("what is known was read again: %v", err)
	}
	servicetest.Check(t, js.DeleteStream("OBJ_revocation"))
	p.Look(t.Context())
	if err := p.Check(); err == nil || !strings.Contains(err.Error(), "reading what is published") {
		t.Errorf("without a bucket: %v", err)
	}
	servicetest.Check(t, published.EnsureBucket(t.Context(), p.Conn, 0))
	p.Look(t.Context())
	if err := p.Check(); err != nil {
		t.Errorf("with an empty bucket: %v", err)
	}
}
