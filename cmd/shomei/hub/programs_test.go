package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/directory"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/lifecycle"
	"shomei/pkg/natstest"
	"shomei/pkg/registerlink"
	"shomei/pkg/vaultlink"
)

// TestProgramsRunEveryRowOnce holds the programs against the table of rows.
func TestProgramsRunEveryRowOnce(t *testing.T) {
	runs := make(map[string]int)
	for _, g := range programs {
		for _, name := range g.rows {
			runs[name]++
		}
	}
	for _, r := range slices.Concat(table, joinedRows) {
		if r.name != "directory" && r.name != "watch" && runs[r.name] != 1 {
			t.Errorf("row %s is run by %d programs", r.name, runs[r.name])
		}
		delete(runs, r.name)
	}
	if len(runs) > 0 {
		t.Errorf("programs run rows that don't exist: %v", runs)
	}
}

// wire is a NATS server with the accounts of all programs, the streams of a centre, and a spy with all rights in the
// account of the log and in that of each program.
type wire struct {
	t       *testing.T
	server  *natstest.Operated
	streams jetstream.JetStream
	log     *nats.Conn
	heard   map[string]*nats.Subscription
	last    map[string]uint64
}

func newWire(t *testing.T) *wire {
	accounts := natstest.NewAccounts(t)
	for _, g := range accountHolders() {
		service := g.service(1)
		var err error
		service.Key, err = nkeys.CreateAccount()
		check(t, err)
		accounts.Services = append(accounts.Services, service)
	}
	outside := registers(gatewayProgram)
	var err error
	outside.Key, err = nkeys.CreateAccount()
	check(t, err)
	readers := feed()
	readers.Key, err = nkeys.CreateAccount()
	check(t, err)
	accounts.Services = append(accounts.Services, outside, readers)
	s := natstest.StartWith(t, hubserver.Config{StoreDir: t.TempDir(), Port: -1, Reserve: -1, Accounts: &accounts})
	w := &wire{t: t, server: &natstest.Operated{Server: s, Accounts: accounts}, heard: make(map[string]*nats.Subscription)}
	w.log = w.server.As(t, accounts.Log, natstest.Everything)
	check(t, counterlink.EnsureStreams(t.Context(), w.log, counterlink.StreamLimits{MaxBytes: 1 << 24}))
	folds := make(map[string]eventlog.Fold)
	for kind, f := range lifecycle.Folds() {
		folds[kind] = eventlog.Fold{Version: lifecycle.FoldVersion, Apply: f.Apply}
	}
	log, err := eventlog.Open(t.Context(), eventlog.Config{Conn: w.log, Folds: folds, Marks: t.TempDir(), Logger: natstest.Quiet()})
	check(t, err)
	check(t, log.Close())
	w.streams, err = jetstream.New(w.log)
	check(t, err)
	for name, key := range w.keys() {
		heard, err := w.server.As(t, key, natstest.Everything).SubscribeSync(">")
		check(t, err)
		w.heard[name] = heard
	}
	_, err = w.streams.Publish(t.Context(), events.LogSubject(events.KindOffice, "12237-main"), []byte("what is read"))
	check(t, err)
	w.last = w.stored()
	return w
}

// keys returns the keys of the accounts that are spied upon.
func (w *wire) keys() map[string]nkeys.KeyPair {
	keys := map[string]nkeys.KeyPair{"log": w.server.Accounts.Log, "counters": w.server.Accounts.Counters}
	for _, s := range w.server.Accounts.Services {
		keys[s.Name] = s.Key
	}
	return keys
}

// stored returns the last sequence of every stream.
func (w *wire) stored() map[string]uint64 {
	last := make(map[string]uint64)
	for info := range w.streams.ListStreams(w.t.Context()).Info() {
		last[info.Config.Name] = info.State.LastSeq
	}
	return last
}

// came returns which streams have grown since the last call.
func (w *wire) came() (grown []string) {
	now := w.stored()
	for name, last := range now {
		if last != w.last[name] {
			grown = append(grown, name)
		}
	}
	w.last = now
	slices.Sort(grown)
	return grown
}

// service returns the account of that name.
func (w *wire) service(name string) hubserver.Service {
	s, ok := w.server.Accounts.Service(name)
	if !ok {
		w.t.Fatalf("%s has no account", name)
	}
	return s
}

// as connects as a program does.
func (w *wire) as(name string) *nats.Conn {
	s := w.service(name)
	return w.server.As(w.t, s.Key, s.Rights())
}

// sayings are subjects of everything that can be stored, and the stream that has each.
func sayings() map[string]string {
	all := map[string]string{
		counterlink.ClaimSubject("12237-main-1"): counterlink.ClaimStream, counterlink.CommandSubject("12237-main-1"): counterlink.CommandStream,
		"shomei.claimhead.12237-main-1": counterlink.HeadStream, "shomei.commandhead.12237-main-1": counterlink.HeadStream,
	}
	for _, kind := range events.Kinds {
		all[events.LogSubject(kind, "x")] = events.StreamName(0, 1)
	}
	for _, g := range accountHolders() {
		for _, subject := range eventlog.FollowerMayPublish(g.followers()...) {
			all[subject] = "shomei-positions"
		}
	}
	return all
}

// mayStore reports whether a program may say something that is stored, by what it is for and not by how its rights are
// spelled.
func (g program) mayStore(subject string) bool {
	for _, name := range g.followers() {
		if subject == "shomei.position."+name {
			return true
		}
	}
	switch {
	case strings.HasPrefix(subject, "shomei.command."):
		return g.name == "ra" || g.name == "dispatcher"
	case strings.HasPrefix(subject, "shomei.counter."):
		return g.name == "ra" || g.name == "register" || g.name == "operators"
	case strings.Contains(subject, "head."):
		return g.name == "ra"
	}
	for _, role := range g.roles {
		for _, kind := range role.Writable() {
			if strings.HasPrefix(subject, "shomei.log."+kind+".") {
				return true
			}
		}
	}
	return false
}

// TestEachProgramStoresWhatItsRowSays tries every program on every subject that is stored.
func TestEachProgramStoresWhatItsRowSays(t *testing.T) {
	w := newWire(t)
	tried := 0
	for _, g := range accountHolders() {
		conn := w.as(g.name)
		for subject, stream := range sayings() {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			want := g.mayStore(subject)
			if want {
				_, err := conn.RequestWithContext(ctx, subject, []byte("commit"))
				check(t, err)
			} else {
				check(t, conn.Publish(subject, []byte("commit")))
				check(t, conn.FlushWithContext(ctx))
			}
			cancel()
			got := w.came()
			if want != slices.Equal(got, []string{stream}) || !want && len(got) > 0 {
				t.Errorf("%s says %s: stored in %v", g.name, subject, got)
			}
			tried++
		}
	}
	t.Logf("%d cells", tried)
}

// TestARightToReadIsNoRightToWrite has each program ask what it may read to be answered on every subject that is stored, and
// have it delivered there: nothing is stored that it may not say itself.
func TestARightToReadIsNoRightToWrite(t *testing.T) {
	w := newWire(t)
	log, tried := events.StreamName(0, 1), 0
	for _, g := range accountHolders() {
		conn := w.as(g.name)
		js, err := jetstream.New(conn, jetstream.WithDefaultTimeout(5*time.Second))
		check(t, err)
		stream, err := js.Stream(t.Context(), log)
		check(t, err)
		pulled, err := stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
		check(t, err)
		for subject := range sayings() {
			if g.mayStore(subject) {
				continue
			}
			for request, body := range map[string]string{
				"$JS.API.STREAM.MSG.GET." + log:                                              `{"seq":1}`,
				"$JS.API.STREAM.INFO." + log:                                                 ``,
				"$JS.API.CONSUMER.MSG.NEXT." + log + "." + pulled.CachedInfo().Name:          `{"batch":1,"no_wait":true}`,
				"$JS.API.CONSUMER.CREATE." + log + "." + fmt.Sprintf("%s-%d", g.name, tried): push(log, fmt.Sprintf("%s-%d", g.name, tried), subject),
			} {
				check(t, conn.PublishRequest(request, subject, []byte(body)))
				tried++
			}
			// The server handles what one client sends in order.
			_, err := stream.Info(t.Context())
			check(t, err)
			if got := w.came(); len(got) > 0 {
				t.Errorf("%s was answered on %s: stored in %v", g.name, subject, got)
			}
		}
	}
	// Whatever is delivered at all has been, once a consumer made last delivers to somebody who listens.
	heard, err := w.log.SubscribeSync("heard.last")
	check(t, err)
	check(t, w.log.Flush())
	check(t, w.as("console").PublishRequest("$JS.API.CONSUMER.CREATE."+log+".last", "_INBOX.x", []byte(push(log, "last", "heard.last"))))
	_, err = heard.NextMsg(10 * time.Second)
	check(t, err)
	if got := w.came(); len(got) > 0 {
		t.Errorf("a consumer delivered to %v", got)
	}
	t.Logf("%d attempts", tried)
}

// push asks for a consumer that delivers to a subject by itself.
func push(stream, name, to string) string {
	text, _ := json.Marshal(map[string]any{ // strings and maps of them
		"stream_name": stream, "action": "create",
		"config": map[string]any{"name": name, "deliver_subject": to, "ack_policy": "none", "deliver_policy": "all", "mem_storage": true},
	})
	return string(text)
}

// TestNoProgramChangesAStream tries the requests that change streams, and those that read what is not the program's.
func TestNoProgramChangesAStream(t *testing.T) {
	w := newWire(t)
	log := events.StreamName(0, 1)
	for _, g := range accountHolders() {
		conn := w.as(g.name)
		var refused []string
		answered, err := conn.SubscribeSync("_INBOX.x")
		check(t, err)
		requests := []string{
			"$JS.API.STREAM.CREATE.X", "$JS.API.STREAM.UPDATE." + log, "$JS.API.STREAM.DELETE." + log, "$JS.API.STREAM.PURGE." + log,
			"$JS.API.STREAM.MSG.DELETE." + log, "$JS.API.STREAM.SNAPSHOT." + log, "$JS.API.STREAM.RESTORE." + log, "$JS.API.ACCOUNT.PURGE.X",
			"$JS.API.CONSUMER.DELETE." + log + ".x", "$JS.API.CONSUMER.DURABLE.CREATE." + log + ".x", "$SYS.REQ.CLAIMS.UPDATE", "$SYS.REQ.SERVER.PING",
		}
		if !slices.Contains(g.wire, "$JS.API.STREAM.MSG.GET."+counterlink.CommandStream) {
			requests = append(requests, "$JS.API.STREAM.MSG.GET."+counterlink.CommandStream, "$JS.API.CONSUMER.CREATE."+counterlink.CommandStream+".x")
		}
		for _, request := range requests {
			check(t, conn.PublishRequest(request, "_INBOX.x", []byte(`{"seq":1}`)))
		}
		check(t, conn.Flush())
		for {
			m, err := answered.NextMsg(0)
			if err != nil {
				break
			}
			refused = append(refused, string(m.Data))
		}
		if len(refused) > 0 {
			t.Errorf("%s was answered: %v", g.name, refused)
		}
		if got := w.came(); len(got) > 0 {
			t.Errorf("%s changed %v", g.name, got)
		}
	}
}

// heardOf returns what spies heard of a speaker who says "from <name>" in every message, by account and subject.
func (w *wire) heardOf(name string) (heard []string) {
	for account, spy := range w.heard {
		check(w.t, w.log.Flush())
		for {
			m, err := spy.NextMsg(50 * time.Millisecond)
			if err != nil {
				break
			}
			if string(m.Data) == "from "+name {
				heard = append(heard, account+" "+m.Subject)
			}
		}
	}
	slices.Sort(heard)
	return heard
}

// TestARegisterTellsChangesOfItsOwnOfficeAndNothingElse has a stolen credential of a register say, ask and listen to
// everything: the gateway hears it on the subject of its office, nothing is stored, and it hears nobody.
func TestARegisterTellsChangesOfItsOwnOfficeAndNothingElse(t *testing.T) {
	w := newWire(t)
	account, _ := w.server.Accounts.Service(registersAccount)
	conn := w.server.As(t, account.Key, registerRights("12237-main", "12237-main-register-1"))
	own, other := registerlink.Subject("12237-main"), registerlink.Subject("12238-main")
	subjects := []string{
		own, other, "shomei.register.>", "shomei.register.12237-main.other", hubserver.Presence, readySubject, "_INBOX.12238-main-register-1.x",
		"$JS.API.STREAM.INFO." + events.StreamName(0, 1), "$JS.API.STREAM.MSG.GET." + events.StreamName(0, 1), "$JS.API.STREAM.NAMES", "$JS.API.INFO",
		"$SYS.REQ.CLAIMS.UPDATE", "$SYS.REQ.USER.INFO",
	}
	subjects = append(subjects, vaultlink.ServerMaySubscribe()...)
	subjects = append(subjects, slices.Collect(maps.Keys(sayings()))...)
	answered, err := conn.SubscribeSync("_INBOX.12237-main-register-1.x")
	check(t, err)
	for _, subject := range subjects {
		check(t, conn.PublishRequest(subject, "_INBOX.12237-main-register-1.x", []byte("from the register")))
	}
	check(t, conn.Flush())
	if got := w.heardOf("the register"); !slices.Equal(got, []string{gatewayProgram + " " + own, registersAccount + " " + own}) {
		t.Errorf("it was heard: %q", got)
	}
	if got := w.came(); len(got) > 0 {
		t.Errorf("stored in %v", got)
	}
	if m, err := answered.NextMsg(0); err == nil {
		t.Errorf("answered: %s", m.Data)
	}
	// Listening: other registers, other accounts, and everything.
	for _, to := range []string{">", "shomei.>", own, other, "_INBOX.>", "_INBOX.*.x", "_INBOX.12238-main-register-1.>", "_R_.>", "$JS.>", "$SYS.>"} {
		sub, err := w.server.As(t, account.Key, registerRights("12237-main", "12237-main-register-1")).SubscribeSync(to)
		check(t, err)
		owner := w.server.As(t, account.Key, natstest.Everything)
		for _, subject := range []string{own, other, "_INBOX.12238-main-register-1.x", "shomei.log.x"} {
			check(t, owner.Publish(subject, []byte("from another")))
		}
		check(t, owner.Flush())
		if m, err := sub.NextMsg(50 * time.Millisecond); err == nil {
			t.Errorf("listening to %s it hears %s", to, m.Subject)
		}
	}
	// A message larger than any batch ends the connection, before anybody hears it.
	if err := conn.Publish(own, make([]byte, registerlink.MaxBatch+1)); !errors.Is(err, nats.ErrMaxPayload) {
		check(t, conn.Flush())
		if got := w.heardOf("the register"); len(got) > 0 {
			t.Errorf("a message beyond the bound: %v, heard %q", err, got)
		}
	}
}

// TestAReaderHearsItsPrefecturesAndNothingElse has the owner of the feed's account publish, and a reader of one prefecture listen
// to everything, say everything and ask everything.
func TestAReaderHearsItsPrefecturesAndNothingElse(t *testing.T) {
	w := newWire(t)
	account := w.service(feedAccount)
	key, err := nkeys.CreateUser()
	check(t, err)
	public, err := key.PublicKey()
	check(t, err)
	chiba := directory.FeedReader{Reader: "chiba", PublicKey: public, Prefectures: []string{"12", "14"}}
	token, err := keys{accounts: w.server.Accounts}.readerJWT(chiba)
	check(t, err)
	conn := natstest.Connect(t, w.server.URL(), nats.UserJWT(func() (string, error) { return token, nil }, key.Sign), nats.CustomInboxPrefix("_INBOX.chiba"))
	own, err := conn.SubscribeSync(events.FeedSubjects("12"))
	check(t, err)
	var others []*nats.Subscription
	for _, to := range []string{">", "shomei.>", "shomei.feed.>", "shomei.feed.*.x", events.FeedSubjects("13"), "_INBOX.>", "$JS.>", "$SYS.>"} {
		sub, err := conn.SubscribeSync(to)
		check(t, err)
		others = append(others, sub)
	}
	check(t, conn.Flush())
	owner := w.server.As(t, account.Key, natstest.Everything)
	for _, subject := range []string{"shomei.feed.13.x", "shomei.feed.12x.x", "shomei.log.x", "_INBOX.tokyo.x", "shomei.feed.12.x"} {
		check(t, owner.Publish(subject, []byte("news")))
	}
	check(t, owner.Flush())
	if m, err := own.NextMsg(5 * time.Second); err != nil || m.Subject != "shomei.feed.12.x" {
		t.Errorf("heard %v, %v", m, err)
	}
	for _, sub := range others {
		if m, err := sub.NextMsg(20 * time.Millisecond); err == nil {
			t.Errorf("on %s it heard %s", sub.Subject, m.Subject)
		}
	}
	subjects := []string{
		"shomei.feed.12.x", "_INBOX.chiba.x", "_INBOX.tokyo.x", hubserver.Presence, "$JS.API.INFO", "$JS.API.STREAM.INFO." + events.StreamName(0, 1),
		"$JS.API.STREAM.MSG.GET." + events.StreamName(0, 1), "$SYS.REQ.USER.INFO", "$SYS.REQ.CLAIMS.UPDATE", registerlink.Subject("12237-main"),
	}
	answered, err := conn.SubscribeSync("_INBOX.chiba.x")
	check(t, err)
	for _, subject := range append(subjects, slices.Collect(maps.Keys(sayings()))...) {
		check(t, conn.PublishRequest(subject, "_INBOX.chiba.x", []byte("from a reader")))
	}
	check(t, conn.Flush())
	if got := w.heardOf("a reader"); len(got) > 0 {
		t.Errorf("a reader was heard: %q", got)
	}
	if m, err := answered.NextMsg(0); err == nil {
		t.Errorf("a reader was answered: %s", m.Data)
	}
	if got := w.came(); len(got) > 0 {
		t.Errorf("a reader has stored in %v", got)
	}
	check(t, w.server.Revoke(hubserver.Revoked{feedAccount: {public}}))
	natstest.Wait(t, time.Second, "the retired reader to be put out", func() bool { return !conn.IsConnected() })
}

// TestProgramsHearOnlyTheirOwn lets every program listen to everything while others speak: what the vault and the issuer are
// asked reaches them alone, and whoever may not ask is not heard.
func TestProgramsHearOnlyTheirOwn(t *testing.T) {
	w := newWire(t)
	for _, g := range accountHolders() {
		conn := w.as(g.name)
		for _, subject := range slices.Concat(vaultlink.ServerMaySubscribe(), operators.answered(), []string{readySubject, suspendSubject, crowdedSubject, registerlink.Subject("12237-main")}) {
			check(t, conn.Publish(subject, []byte("from "+g.name)))
		}
		check(t, conn.Flush())
	}
	for name, heard := range w.heard {
		check(t, w.log.Flush())
		for {
			m, err := heard.NextMsg(50 * time.Millisecond)
			if err != nil {
				break
			}
			from, ok := strings.CutPrefix(string(m.Data), "from ")
			if !ok || from == name {
				continue
			}
			asks := w.service(from).AsksOf[name]
			if !slices.Contains(asks, m.Subject) {
				t.Errorf("%s heard %s on %s", name, from, m.Subject)
			}
		}
	}
}
