package hub

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"
	"golang.org/x/time/rate"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/natstest"
)

const (
	attacker = "12237-main-1"
	victim   = "12237-main-2"
)

// TestCounterMessagesReachNothingElse lets an enrolled counter send everything it can to a running hub, with every
// reply subject and with every header that a server understands. testdata/attacks.txt lists the effects allowed; spies
// with all rights in all accounts record the actual ones.
func TestCounterMessagesReachNothingElse(t *testing.T) {
	rows := readAttackRows(t)
	a := newAttack(t)
	tried := 0
	for _, sent := range a.messages() {
		want := expectedEffect(rows, sent)
		if got := a.effect(sent); got != want {
			t.Errorf("%s to %q, answer to %q, %s: %s; want %s", sent.verb, sent.Subject, sent.Reply, sent.header, got, want)
		}
		tried++
	}
	subscriptions := a.subscriptions()
	for _, sent := range subscriptions {
		if got, want := a.listen(sent.Subject), expectedEffect(rows, sent); got != want {
			t.Errorf("listening to %q: %s; want %s", sent.Subject, got, want)
		}
	}
	t.Logf("%d messages, %d subscriptions", tried, len(subscriptions))
	silent(t, a.hub.Parts)
}

// An attackMessage is what a counter sends, and its row's keys in the table.
type attackMessage struct {
	*nats.Msg
	verb, reply, header string
}

// notItsOwn are subjects that are none of a counter's business, as target of messages, replies and subscriptions.
var notItsOwn = []string{
	"$JS.API.STREAM.DELETE.shomei-log-000-fff", "$JS.API.STREAM.PURGE.shomei-log-000-fff", "$JS.API.STREAM.UPDATE.shomei-log-000-fff", "$JS.API.STREAM.CREATE.X", "$JS.API.STREAM.INFO.OTHER",
	"$JS.API.STREAM.MSG.DELETE.shomei-log-000-fff", "$JS.API.STREAM.MSG.GET.OTHER", "$JS.API.STREAM.SNAPSHOT.shomei-log-000-fff", "$JS.API.STREAM.RESTORE.X", "$JS.API.DIRECT.GET.OTHER",
	"$JS.API.CONSUMER.CREATE.shomei-log-000-fff", "$JS.API.CONSUMER.CREATE.shomei-log-000-fff.push.shomei.log.>", "$JS.API.CONSUMER.DURABLE.CREATE.CLAIMS.pull",
	"$JS.API.CONSUMER.MSG.NEXT.CLAIMS.hub", "$JS.API.CONSUMER.DELETE.CLAIMS.hub", "$JS.API.ACCOUNT.PURGE.X", "$JS.ACK.CLAIMS.hub.1.1.1.1.0", "$JS.FC.shomei-log-000-fff.x.y",
	"$SYS.REQ.SERVER.PING", "$SYS.REQ.USER.INFO", "$SYS.REQ.CLAIMS.UPDATE", "$SYS.ACCOUNT.X.CONNECT", "$SRV.PING", "$MQTT.sub.x", "$KV.x.y",
	events.LogSubject(events.KindAuthority, "log"), events.LogSubject(events.KindOffice, "12237-main"),
	events.LogSubject(events.KindSubscriber, "x"),
	"shomei.claimhead." + victim, "shomei.position.x", "shomei.commandhead." + victim,
	counterlink.ClaimSubject(victim), counterlink.ClaimSubject(victim) + ".bye", counterlink.ClaimSubject(attacker) + ".a.b",
	counterlink.CommandSubject(victim), "_INBOX." + victim + ".x", "_INBOX.hub.x", "_INBOX.x", "x", "floor.x",
}

// notItsInbox are subjects that resemble the counter's inbox, or that only the counter may use.
var notItsInbox = []string{
	"_INBOX." + attacker, "_INBOX." + attacker + "x.y", "_INBOX." + attacker + ".a.$b", "_INBOX." + attacker + "." + strings.Repeat("x", 300),
	"_INBOX_" + attacker + ".x", "_inbox." + attacker + ".x", counterlink.ClaimSubject(attacker), counterlink.ClaimSubject(attacker) + ".bye",
	counterlink.CommandSubject(attacker),
	"_INBOX." + attacker + ".*", "_INBOX." + attacker + ".>", "_INBOX." + attacker + "..a", "_INBOX.*.x", "*", ">",
}

// wildcards are subscriptions that hear more than one subject.
var wildcards = []string{
	">", "*", "*.>", "shomei.>", "shomei.*.*", "shomei.counter.*", "shomei.command.*", "shomei.counter." + victim + ".>", "shomei.log.>",
	"_INBOX.>", "_INBOX.*.>", "_INBOX.*", "_INBOX." + victim + ".>", "_INBOX.hub.>", "$JS.>", "$JS.API.>", "$SYS.>", "$SYS.REQ.>", "$SRV.>",
}

// attackHeaders are the headers with a meaning to a server of this version, aimed at the log.
var attackHeaders = map[string]nats.Header{
	"none":                                nil,
	"Nats-Trace-Dest":                     {"Nats-Trace-Dest": {events.LogSubject(events.KindAuthority, "log")}, "Accept-Encoding": {"gzip"}},
	"traceparent":                         {"traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "Nats-Trace-Dest": {"_INBOX." + victim + ".x"}, "Nats-Trace-Only": {"true"}},
	"Nats-Rollup":                         {"Nats-Rollup": {"all"}},
	"Nats-Rollup-Sub":                     {"Nats-Rollup": {"sub"}},
	"Nats-Schedule":                       {"Nats-Schedule": {"@every 1s"}, "Nats-Schedule-Target": {events.LogSubject(events.KindAuthority, "log")}, "Nats-Schedule-TTL": {"1s"}},
	"Nats-Schedule-Next":                  {"Nats-Schedule-Next": {"purge"}, "Nats-Scheduler": {counterlink.ClaimSubject(victim)}},
	"Nats-Batch-Id":                       {"Nats-Batch-Id": {"b"}, "Nats-Batch-Sequence": {"1"}, "Nats-Batch-Commit": {"1"}},
	"Nats-Batch-Open":                     {"Nats-Batch-Id": {"c"}, "Nats-Batch-Sequence": {"1"}},
	"Nats-Msg-Id":                         {"Nats-Msg-Id": {"same"}},
	"Nats-TTL":                            {"Nats-TTL": {"1s"}},
	"Nats-Incr":                           {"Nats-Incr": {"+1"}},
	"Nats-Expected-Stream":                {"Nats-Expected-Stream": {"shomei-log-000-fff"}},
	"Nats-Expected-Last-Sequence":         {"Nats-Expected-Last-Sequence": {"1"}},
	"Nats-Expected-Last-Msg-Id":           {"Nats-Expected-Last-Msg-Id": {"x"}},
	"Nats-Expected-Last-Subject-Sequence": {"Nats-Expected-Last-Subject-Sequence": {"999999"}},
	"Nats-Expected-Last-Subject-Sequence-Subject": {"Nats-Expected-Last-Subject-Sequence-Subject": {events.LogSubject(events.KindAuthority, "log")}},
	"Nats-Required-Api-Level":                     {"Nats-Required-Api-Level": {"0"}},
	"Nats-Request-Info":                           {"Nats-Request-Info": {`{"acc":"LOG","svc":"x"}`}},
	"Reply-To":                                    {"Reply-To": {"$JS.API.STREAM.DELETE.shomei-log-000-fff"}, "Nats-Subject": {"shomei.log.authority.log"}, "Status": {"503"}},
	"Shomei-Link":                                 {"Shomei-Link": {"x"}, "Shomei-Place": {"1"}, "Shomei-Retry-After": {"1"}},
}

// attack is a running hub, one of its counters speaking raw NATS, and a spy in each account.
type attack struct {
	t          *testing.T
	hub        *Hub
	conn       *nats.Conn
	violations chan error
	spies      map[string]*spy
	js         jetstream.JetStream
	consumers  string
	last       map[string]uint64
	pace       *rate.Limiter // below the bounds: this is about rights
	said       int
}

// spy sees every message of an account.
type spy struct {
	conn *nats.Conn
	seen *nats.Subscription
}

func newAttack(t *testing.T) *attack {
	h, err := Start(t.Context(), Config{Data: t.TempDir(), AnyClock: true, Logger: natstest.Quiet()}, ByHand...)
	check(t, err)
	t.Cleanup(func() { check(t, h.Close()) })
	folder, err := h.TryOut(t.Context(), "12237-main", attacker)
	check(t, err)
	_, err = h.EnrolCounter(t.Context(), "12237-main", victim, "counter", "12237A002")
	check(t, err)
	check(t, h.Settle(t.Context())) // every follower follows; the hub's start is not the counter's doing
	a := &attack{t: t, hub: h, violations: make(chan error, 1000), spies: make(map[string]*spy), pace: rate.NewLimiter(150, 300)}
	a.conn = a.asCounter(folder)
	accounts := h.keys.accounts
	hub := h.keys.serviceUser(hubAccount).account
	for name, key := range map[string]nkeys.KeyPair{"LOG": accounts.Log, "HUB": hub, "OPERATORS": h.keys.serviceUser(operators.name).account, "COUNTERS": accounts.Counters, "SYS": accounts.System} {
		conn, err := h.dial(h.URL(), user{name: "spy", account: key, rights: natstest.Everything})
		check(t, err)
		seen, err := conn.SubscribeSync(">")
		check(t, err)
		check(t, seen.SetPendingLimits(-1, -1))
		check(t, conn.Flush())
		a.spies[name] = &spy{conn, seen}
	}
	a.js, err = jetstream.New(a.spies["LOG"].conn)
	check(t, err)
	a.settle()
	a.consumers, a.last = a.stored()
	return a
}

// asCounter connects with a bundle, as its agent does.
func (a *attack) asCounter(folder string) *nats.Conn {
	bundle, err := counterlink.ReadBundle(folder)
	check(a.t, err)
	secrets, err := bundle.Secrets()
	check(a.t, err)
	conn, err := bundle.Dial(secrets.Key, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { a.violations <- err }))
	check(a.t, err)
	a.t.Cleanup(conn.Close)
	natstest.Wait(a.t, 10*time.Second, "the counter to connect", conn.IsConnected)
	return conn
}

// messages returns all attempts: every word and foreign subject with every kind of reply subject, and with every
// header; words that get a reply also with every reply subject and header at once.
func (a *attack) messages() (list []attackMessage) {
	replies := map[string][]string{
		"none": {""}, "own": {"_INBOX." + attacker + ".a"}, "foreign": append(slices.Clone(notItsOwn), notItsInbox...),
	}
	for _, verb := range []string{"claim", "head", "alive", "taken", "bye", "card", "person", "case", "nonsense"} {
		subject := counterlink.ClaimSubject(attacker) + "." + verb
		if verb == "claim" {
			subject = counterlink.ClaimSubject(attacker)
		}
		for kind, subjects := range replies {
			for i, reply := range subjects {
				for header, fields := range attackHeaders {
					if kind != "foreign" || header == "none" || (verb == "claim" || verb == "head") && i%5 == 0 {
						list = append(list, attackMessage{&nats.Msg{
							Subject: subject, Reply: reply, Header: maps.Clone(fields),
						}, verb, kind, header})
					}
				}
			}
		}
	}
	for _, subject := range notItsOwn {
		for _, header := range []string{"none", "Nats-Trace-Dest", "Nats-Schedule", "Nats-Rollup"} {
			for kind, reply := range map[string]string{"none": "", "own": "_INBOX." + attacker + ".a", "foreign": "$JS.API.STREAM.DELETE.shomei-log-000-fff"} {
				list = append(list, attackMessage{&nats.Msg{
					Subject: subject, Reply: reply, Header: maps.Clone(attackHeaders[header]),
				}, "foreign", kind, header})
			}
		}
	}
	slices.SortFunc(list, func(a, b attackMessage) int {
		return cmp.Or(strings.Compare(a.verb, b.verb), strings.Compare(a.Subject, b.Subject),
			strings.Compare(a.Reply, b.Reply), strings.Compare(a.header, b.header))
	})
	return list
}

// effect sends a message and returns everything that came of it.
func (a *attack) effect(m attackMessage) string {
	a.say(m.Msg)
	a.settle()
	if m.verb == "foreign" {
		return a.came("") // it should have got nowhere
	}
	return a.came(m.Subject)
}

// subscriptions returns all attempts to listen: to what is not the counter's own, directly and by wildcards, and to
// what is.
func (a *attack) subscriptions() (list []attackMessage) {
	for kind, subjects := range map[string][]string{
		"foreign": append(slices.Clone(notItsOwn), wildcards...),
		"own":     {counterlink.CommandSubject(attacker), "_INBOX." + attacker + ".>"},
	} {
		for _, subject := range subjects {
			list = append(list, attackMessage{&nats.Msg{Subject: subject}, "listen", kind, "none"})
		}
	}
	return list
}

// listen subscribes, alone and in a queue group, and reports whether anything is heard while a user with all rights
// publishes on every subject of the counters' account.
func (a *attack) listen(subject string) string {
	alone, err := a.conn.SubscribeSync(subject)
	check(a.t, err)
	queue, err := a.conn.QueueSubscribeSync(subject, "q")
	check(a.t, err)
	check(a.t, a.conn.Flush())
	loud := a.spies["COUNTERS"].conn
	for _, said := range append(slices.Clone(notItsOwn), counterlink.CommandSubject(attacker), "_INBOX."+attacker+".said") {
		check(a.t, loud.PublishMsg(&nats.Msg{Subject: said, Header: nats.Header{"Said": {"aloud"}}}))
	}
	check(a.t, loud.Flush())
	check(a.t, a.conn.Flush())
	heard := "nothing"
	for _, sub := range []*nats.Subscription{alone, queue} {
		if _, err := sub.NextMsg(0); err == nil {
			heard = "heard"
		}
		check(a.t, sub.Unsubscribe())
	}
	a.settle()
	if effect := a.came(""); effect != "nothing" {
		return effect
	}
	return heard
}

// say sends a message as raw NATS.
func (a *attack) say(m *nats.Msg) {
	check(a.t, a.pace.Wait(a.t.Context()))
	a.said++
	m.Data = fmt.Appendf(nil, "message %d", a.said)
	if m.Subject == counterlink.ClaimSubject(attacker)+".head" {
		m.Header = withHello(m.Header, a.said)
	}
	check(a.t, a.conn.PublishMsg(m))
}

// settle waits until the gate has handled what the counter sent, and the hub what the gate stored: each of two kinds of
// messages is answered only after what was sent before.
func (a *attack) settle() {
	for _, m := range []*nats.Msg{
		{Subject: counterlink.ClaimSubject(attacker) + ".alive"},
		{Subject: counterlink.ClaimSubject(attacker), Header: nats.Header{"Nats-Expected-Last-Subject-Sequence": {"999999"}}, Data: []byte("x")},
	} {
		check(a.t, a.pace.Wait(a.t.Context()))
		_, err := a.conn.RequestMsg(m, 10*time.Second)
		check(a.t, err)
	}
	stream, err := a.js.Stream(a.t.Context(), counterlink.ClaimStream)
	check(a.t, err)
	stored, err := stream.Info(a.t.Context())
	check(a.t, err)
	natstest.Wait(a.t, 10*time.Second, "claims to be handled", func() bool {
		for c := range stream.ListConsumers(a.t.Context()).Info() { // its count of what is pending lags behind
			if c.Delivered.Stream < stored.State.LastSeq || c.NumAckPending > 0 {
				return false
			}
		}
		return true
	})
}

// came returns what the spies have seen since the last call, apart from the message itself, the barrier and the hub's
// regular traffic.
func (a *attack) came(sent string) string {
	var effects []string
	for account, s := range a.spies {
		effects = append(effects, s.unexpected(a.t, account, sent)...)
	}
	consumers, last := a.stored()
	if consumers != a.consumers {
		effects = append(effects, "consumers:"+consumers)
	}
	for stream, n := range last {
		if n != a.last[stream] {
			effects = append(effects, fmt.Sprintf("%s+%d", stream, int64(n)-int64(a.last[stream])))
		}
	}
	a.consumers, a.last = consumers, last
	slices.Sort(effects)
	effects = slices.Compact(effects)
	if answered := slices.Index(effects, "answered"); answered > 0 { // it comes first
		effects = slices.Insert(slices.Delete(effects, answered, answered+1), 0, "answered")
	}
	if len(effects) == 0 {
		return "nothing"
	}
	return strings.Join(effects, " ")
}

// stored returns the consumers, and the last sequence of every stream.
func (a *attack) stored() (consumers string, last map[string]uint64) {
	last = make(map[string]uint64)
	var names []string
	for info := range a.js.ListStreams(a.t.Context()).Info() {
		stream := info.Config.Name
		if strings.HasPrefix(stream, "shomei-log-") {
			last["LOG"] += info.State.LastSeq
		} else if stream == counterlink.ClaimStream { // the hub writes to the others later; a spy sees what arrives there
			last[stream] = info.State.LastSeq
		}
		handle, err := a.js.Stream(a.t.Context(), stream)
		check(a.t, err)
		for name := range handle.ConsumerNames(a.t.Context()).Name() {
			names = append(names, stream+"/"+name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ","), last
}

// unexpected returns what was seen in an account beyond the counter's own barrier, the hub's regular traffic and this
// test.
func (s *spy) unexpected(t *testing.T, account, sent string) (effects []string) {
	check(t, s.conn.Publish("spy.end", nil))
	for own := 0; ; {
		m, err := s.seen.NextMsg(10 * time.Second)
		check(t, err)
		switch {
		case m.Subject == "spy.end":
			return effects
		case m.Header.Get("Said") != "": // by listen
		case account == "COUNTERS" && m.Subject == sent && own == 0:
			own++
		case account == "COUNTERS" && m.Subject == "_INBOX."+attacker+".a":
			effects = append(effects, "answered")
		case !explained(account, m):
			effects = append(effects, account+":"+m.Subject)
		}
	}
}

// explained are the subjects on which an idle hub, and this test, send messages.
func explained(account string, m *nats.Msg) bool {
	subject := m.Subject
	if account == "COUNTERS" && subject == counterlink.CommandSubject(attacker) {
		return m.Header.Get("Shomei-Place") != "" // a command, not a reply redirected there
	}
	if slices.Contains(notItsOwn, subject) {
		return false
	}
	reads := []string{ // a server's streams are served from its own account
		"$JS.API.STREAM.NAMES*", "$JS.API.STREAM.LIST*", "$JS.API.STREAM.INFO.*", "$JS.API.CONSUMER.LIST.*", "$JS.API.CONSUMER.NAMES.*",
		"$JS.API.CONSUMER.INFO.*", "$JS.API.CONSUMER.MSG.NEXT.*", "$JS.API.STREAM.MSG.GET.*", "$JS.API.DIRECT.GET.*",
	}
	stores := []string{ // the hub reports the outcome of a claim
		"_INBOX.*", "$JS.ACK.CLAIMS.*", "shomei.position.*", counterlink.ClaimSubject(attacker) + "*", "shomei.log.quarantine.*",
		counterlink.CommandSubject(attacker) + "*", "shomei.claimhead." + attacker + "*",
	}
	patterns := map[string][]string{
		"SYS":      append(reads, "_R_.*", "$SYS.ACCOUNT.*", "$SYS.SERVER.*"),
		"COUNTERS": {counterlink.ClaimSubject(attacker) + ".alive*", counterlink.ClaimSubject(attacker) + "*", "_INBOX." + attacker + ".*", "$JS.EVENT.ADVISORY.API"}, // from listen; a call of the counter itself would be seen separately
		"HUB":      append(reads, stores...),
		"LOG":      append(append(reads, stores...), "_R_.*", "$JS.EVENT.*"), // answers to the hub go through subjects of the server
	}[account]
	return slices.ContainsFunc(patterns, func(p string) bool { return strings.HasPrefix(subject, strings.TrimSuffix(p, "*")) })
}

// withHello adds a counter's part of a link-up.
func withHello(h nats.Header, n int) nats.Header {
	full := nats.Header{
		"Shomei-Nonce": {fmt.Sprint("n", n)}, "Shomei-Session": {"s"}, "Shomei-Client": {"0"}, "Shomei-Number": {"0"}, "Shomei-Epoch": {""}, "Shomei-Hash": {""},
	}
	maps.Copy(full, h)
	return full
}

// attackRow is a row of the table: verb, reply, header, effect.
type attackRow [4]string

func readAttackRows(t *testing.T) (rows []attackRow) {
	text, err := os.ReadFile("testdata/attacks.txt")
	check(t, err)
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 3 && f[0] != "#" {
			rows = append(rows, attackRow{f[0], f[1], f[2], strings.Join(f[3:], " ")})
		}
	}
	return rows
}

func expectedEffect(rows []attackRow, m attackMessage) string {
	for _, r := range rows {
		if fits(r[0], m.verb) && fits(r[1], m.reply) && fits(r[2], m.header) {
			return r[3]
		}
	}
	return "a row of its own in the table"
}

func fits(pattern, word string) bool { return pattern == "*" || pattern == word }
