package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/hubserver"
	"shomei/pkg/natstest"
	"shomei/pkg/warehouse"
)

// lives plays one act after another, with people and cards of its own, and remembers what each has come to.
type lives struct {
	t       *testing.T
	c       *centre
	k       *counter
	factory *counter
	count   int
	acts    int
	all     []person
	want    map[string][]string // certificates, by resident-record code
	cards   map[string]string   // the card in hand, by resident-record code
}

func newLives(t *testing.T, c *centre, k *counter) *lives {
	return &lives{t: t, c: c, k: k, want: make(map[string][]string), cards: make(map[string]string)}
}

// next invents a person and a card.
func (l *lives) next(birth string) (person, string) {
	l.count++
	p := person{
		fmt.Sprintf("%011d", 5000+l.count), "試験　" + strings.Repeat("永", l.count%5+4), birth, "千葉県山武市殿台二百九十六番地", fmt.Sprintf("p%d@mail.example", l.count),
	}
	l.all = append(l.all, p)
	return p, fmt.Sprintf("CARD-%d", l.count)
}

// id is a name for the next procedure.
func (l *lives) id(operation string) string {
	l.acts++
	return fmt.Sprintf("%s-%d", operation, l.acts)
}

// settles waits until somebody's certificates stand as wanted, and remembers it.
func (l *lives) settles(p person, want ...string) {
	l.t.Helper()
	l.want[p.code] = want
	expect(l.t, l.c, p, want...)
}

// issue plays a new issue to its end.
func (l *lives) issue(birth string) person {
	l.t.Helper()
	p, card := l.next(birth)
	l.play(p, card)
	return p
}

func (l *lives) play(p person, card string) {
	l.t.Helper()
	id := l.id("issue")
	l.k.make(card)
	l.k.apply(p, id, "issue", nil)
	l.k.drive(id, "done")
	l.cards[p.code] = card
	l.settles(p, "auth valid", "sign valid")
}

// renew plays a renewal on the card in hand.
func (l *lives) renew(p person) {
	l.t.Helper()
	id := l.id("renew")
	l.k.insert(l.cards[p.code])
	l.k.apply(p, id, "renew", nil)
	l.k.drive(id, "done")
	l.settles(p, append(l.want[p.code], "auth revoked superseded", "sign revoked superseded")...)
}

// reissue plays the loss of a card: a new one, whose certificates take the place of those that are revoked.
func (l *lives) reissue(p person) {
	l.t.Helper()
	id := l.id("reissue")
	card := fmt.Sprintf("CARD-%s-%d", p.code[len(p.code)-4:], l.acts)
	l.k.make(card)
	l.k.apply(p, id, "reissue", map[string]any{"cause": "loss", "card_kind": "mynumber", "documents": []string{"application-form", "photo-id:current-address"}})
	l.k.drive(id, "done")
	l.cards[p.code] = card
	var ended []string
	for _, held := range l.want[p.code] {
		if strings.HasSuffix(held, " valid") || strings.HasSuffix(held, " suspended") {
			held = strings.Fields(held)[0] + " revoked key-compromise"
		}
		ended = append(ended, held)
	}
	l.settles(p, append(ended, "auth valid", "sign valid")...)
}

// unblock sets a PIN anew.
func (l *lives) unblock(p person) {
	l.t.Helper()
	l.unblockPIN(p, "auth")
}

func (l *lives) unblockPIN(p person, kind string) {
	l.t.Helper()
	id := l.id("unblock")
	l.k.insert(l.cards[p.code])
	l.k.apply(p, id, "unblock", map[string]any{"pins": []string{kind}})
	l.k.drive(id, "done")
	l.settles(p, l.want[p.code]...)
}

// revoke ends what is valid.
func (l *lives) revoke(p person) {
	l.t.Helper()
	id := l.id("revoke")
	l.k.apply(p, id, "revoke", nil)
	l.k.drive(id, "done", "ready", "accepted")
	l.settles(p, replaced(l.want[p.code], " valid", " revoked cessation-of-operation")...)
}

// lose reports a loss by telephone.
func (l *lives) lose(p person) {
	l.t.Helper()
	l.c.reportLoss(p)
	l.settles(p, replaced(l.want[p.code], " valid", " suspended")...)
}

// collect plays the other way to a card: made at the factory, handed over at the counter.
func (l *lives) collect(birth string) person {
	l.t.Helper()
	p, card := l.next(birth)
	l.manufacture(p, card)
	l.handOver(p, card, nil)
	l.settles(p, "auth valid", "sign valid")
	return p
}

// manufacture has the factory make a person's card, and waits until it lies there written.
func (l *lives) manufacture(p person, card string) {
	l.t.Helper()
	made := l.id("factory-issue")
	l.factory.make(card)
	l.factory.apply(p, made, "factory-issue", map[string]any{"documents": []string{}, "card_kind": "mynumber"})
	l.factory.drive(made, "ready")
	l.settles(p, append(l.want[p.code], "auth issued", "sign issued")...)
	l.c.ask("that the card came out of the factory", func(w *warehouse.Warehouse) error {
		list, err := w.Applications(l.t.Context(), l.c.subscriber(p.code))
		if err == nil && !slices.ContainsFunc(list, func(a warehouse.Application) bool { return a.Procedure == made && a.Written.Unix() > 0 }) {
			err = errAbsent
		}
		return err
	})
}

// handOver gives a card from the factory to its holder.
func (l *lives) handOver(p person, card string, more map[string]any) {
	l.t.Helper()
	given := l.id("hand-over")
	fields := map[string]any{"documents": []string{"handover-notice", "photo-id:current-address"}}
	maps.Copy(fields, more)
	l.factory.send(card, l.k)
	l.k.apply(p, given, "hand-over", fields)
	l.k.drive(given, "done")
	l.cards[p.code] = card
}

func replaced(list []string, old, by string) (changed []string) {
	for _, one := range list {
		changed = append(changed, strings.ReplaceAll(one, old, by))
	}
	return changed
}

// once sees that everybody has what was last promised to them, and nobody more.
func (l *lives) once() {
	l.t.Helper()
	for _, p := range l.all {
		if want, known := l.want[p.code]; known {
			expect(l.t, l.c, p, want...)
		}
		live := map[string]int{}
		for _, held := range l.c.certificates(l.c.subscriber(p.code)) {
			if held.Status == "valid" || held.Status == "issued" {
				live[held.Kind]++
			}
		}
		if live["sign"] > 1 || live["auth"] > 1 {
			l.t.Errorf("person %s holds %v", p.code, live)
		}
	}
}

// reportLoss tells the centre of a loss as the telephone desk does.
func (c *centre) reportLoss(p person) {
	c.t.Helper()
	if !c.real {
		c.order("POST", "/loss?subscriber="+c.subscriber(p.code), nil)
		return
	}
	desk := office + "-telephone"
	bundle, err := counterlink.ReadBundle(filepath.Join(c.data, "counters", desk))
	if err != nil {
		c.t.Fatal(err)
	}
	secrets, err := bundle.Secrets()
	if err != nil {
		c.t.Fatal(err)
	}
	poll(c.t, "the loss to be taken", func() bool {
		var conn *nats.Conn
		if conn, err = c.connect(); err != nil {
			return false
		}
		defer conn.Close()
		source := counterlink.Source{
			Conn: conn, Counter: desk, Office: office, Key: secrets.Key, HubSealKey: secrets.HubSealKey, Now: c.now, ClockEvidence: "simulated",
		}
		claim := &events.Claim{Subscriber: c.subscriber(p.code), Fact: &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: "telephone"}}}
		_, err = source.Report(c.t.Context(), claim, nil)
		return err == nil
	}, func() string { return fmt.Sprint(err) })
}

// connect is a connection of a user that may do everything in the account of the log.
func (c *centre) connect() (*nats.Conn, error) {
	login, err := c.login("log")
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(filepath.Join(c.data, "keys", "tls.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return nats.Connect(fmt.Sprintf("tls://127.0.0.1:%d", c.port), login, nats.Timeout(5*time.Second),
		nats.TLSHandshakeFirst(), nats.Secure(&tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS13}))
}

// login is that of a new user of an account who may do everything in it.
func (c *centre) login(account string) (nats.Option, error) {
	seed, err := os.ReadFile(filepath.Join(c.data, "keys", "nats", account+".nk"))
	if err != nil {
		return nil, err
	}
	signer, err1 := nkeys.FromSeed(seed)
	user, err2 := nkeys.CreateUser()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	public, err := user.PublicKey()
	if err != nil {
		return nil, err
	}
	jwt, err := hubserver.SignUser(signer, "spy", public, natstest.Everything, 0)
	return nats.UserJWT(func() (string, error) { return jwt, nil }, user.Sign), err
}
