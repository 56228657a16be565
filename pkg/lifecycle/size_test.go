package lifecycle

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"shomei/events"
)

// A crowded life with ids of maximal length stays under the limit: a juki card in hand beside a re-issue, full memory
// of commands and ended certificates, deadlines, a letter and notices.
func TestStateStaysSmall(t *testing.T) {
	long := func(id string) string { return id + strings.Repeat("f", 36-len(id)) }
	places := func(cardID string) func(*Apply) {
		return func(a *Apply) {
			a.Card, a.Procedure, a.OfficeID, a.Counter = long(cardID), long(a.Procedure), "12237-main", "12237-main-10"
		}
	}
	p := newPlayer(t, "2014-12-03 10:00")
	p.serial = 1<<64 - 1<<20 // serials of the most octets
	p.carried(opIssue, juki, places("juki-1"))
	p.at("2016-01-05 02:29").carried(opFactory, factory, places("card-1"))
	p.at("2016-01-12 10:00").apply(opHandOver, places("card-1"))
	p.unblocked()
	p.handOver()
	p.at("2018-05-10 10:00").carried(opReissue, places("card-1"))
	p.carried(opReissue, places("card-1"))
	p.change(events.RecordChange_RECORD_CHANGE_MOVE_OUT)
	p.do(p.application(opIssue, places("card-1"), channel("self-no-photo"), withLetter("")))
	p.at("2018-05-14 10:00").change(events.RecordChange_RECORD_CHANGE_MOVE_IN)
	p.do(ReportLoss{By: "telephone", Filed: p.now})
	for range 16 {
		p.change(events.RecordChange_RECORD_CHANGE_MINOR)
	}
	p.apply(opReissue, places("card-2"))
	p.keys()
	for _, c := range onCards(p.state) {
		c.TbsSha256 = spki(0) // which ra fills in with the sealed bytes
	}
	raw, err := proto.Marshal(p.state)
	if err != nil || len(raw) > events.StateLimit(events.KindSubscriber)-8 {
		t.Fatalf("%d bytes: %v", len(raw), err)
	}
	t.Logf("%d bytes of %d", len(raw), events.StateLimit(events.KindSubscriber))
}

// The same with smartphones, which came after juki certificates: one of each platform beside a re-issue, or one of them
// on its way.
func TestStateStaysSmallWithPhones(t *testing.T) {
	long := func(id string) string { return id + strings.Repeat("f", 36-len(id)) }
	places := func(cardID string) func(*Apply) {
		return func(a *Apply) {
			a.Card, a.Procedure, a.OfficeID, a.Counter = long(cardID), long(a.Procedure), "12237-main", "12237-main-10"
		}
	}
	phone := func(c *ApplyPhone) { c.Procedure, c.Counter = long("p-"+c.Device[:8]), "12237-main-20" }
	p := newPlayer(t, "2022-05-10 10:00")
	small := func(what string) {
		for _, c := range p.state.Certificates {
			c.TbsSha256 = spki(0) // which ra fills in with the sealed bytes, before the fold
		}
		makeRoom(p.state)
		raw, err := proto.Marshal(p.state)
		if err != nil || len(raw) > events.StateLimit(events.KindSubscriber)-8 {
			t.Fatalf("%s: %d bytes: %v", what, len(raw), err)
		}
		t.Logf("%s: %d bytes of %d, %d commands", what, len(raw), events.StateLimit(events.KindSubscriber), len(p.state.Commands))
	}
	p.serial = 1<<64 - 1<<20 // serials of the most octets
	p.carried(opIssue, places("card-1"))
	p.at("2025-07-07 10:00").carried(opReissue, places("card-1"))
	p.carried(opReissue, places("card-1"))
	p.registered(long("android-1"), phone)
	for range 16 {
		p.change(events.RecordChange_RECORD_CHANGE_MINOR)
	}
	p.do(p.phoneApplication(opPhoneIssue, long("iphone-1"), iPhone, phone))
	small("on its way")
	p.signPhone(long("iphone-1"))
	p.install(long("iphone-1"))
	p.do(ReportLoss{By: "telephone", Device: long("android-1"), Filed: p.now})
	p.apply(opReissue, places("card-2"))
	p.keys()
	small("at rest beside a re-issue")
}

// If a state would pass the limit, the oldest remembered commands are dropped first.
func TestFullStateDropsOldestCommands(t *testing.T) {
	s := &events.SubscriberState{}
	for i := range uint64(rememberedCommands) {
		s.Commands = remember(s.Commands, strings.Repeat("c", int(i)+1), i+1)
	}
	limit := events.StateLimit(events.KindSubscriber)
	pad := func(bytes int) { s.Municipality = strings.Repeat("1", bytes-proto.Size(s)+len(s.Municipality)) }
	pad(limit - stateFrame - 8)
	makeRoom(s)
	if len(s.Commands) != rememberedCommands {
		t.Fatalf("%d of %d commands are left in a state that fits", len(s.Commands), rememberedCommands)
	}
	pad(limit + 30)
	Evolve(s, &events.Commit{Revision: s.Revision + 1, CommandId: strings.Repeat("c", rememberedCommands+1)})
	if size := proto.Size(s); size > limit-stateFrame || len(s.Commands) >= rememberedCommands {
		t.Errorf("%d bytes, %d commands", size, len(s.Commands))
	}
	if _, known := remembered(s.Commands, strings.Repeat("c", rememberedCommands+1)); !known {
		t.Error("the newest command was forgotten")
	}
	pad(2 * limit)
	if makeRoom(s); len(s.Commands) != fewestRemembered {
		t.Errorf("%d commands are left in a state that is too large without any", len(s.Commands))
	}
}
