package e2e

import (
	"time"

	"shomei/pkg/civil"
)

// jukiDays is a Monday at ten in Japan, while juki cards were what there was.
var jukiDays = time.Date(2012, 12, 3, 1, 0, 0, 0, time.UTC)

// withJukiCards plays what a juki card comes by, to the day on which it is given back for a My Number card.
func withJukiCards(l *lives) []act {
	var p, q person
	return []act{
		{"juki issue", func() { p, q = l.issueJuki("1980-06-18"), l.issueJuki("1970-01-31") }},
		{"juki PIN set anew", func() { l.unblockPIN(p, "sign") }},
		{"juki revocation", func() { l.revoke(q) }},
		{"juki renewal", func() { l.turnTo(civil.New(2015, 11, 30)); l.renewJuki(p) }},
		{"juki card given back for a My Number card", func() { l.turnTo(civil.New(2016, 2, 1)); l.exchange(p) }},
	}
}

// turnTo lets a day come; shomei all does what it brings when it starts.
func (l *lives) turnTo(day civil.Date) {
	l.t.Helper()
	l.c.advance(day.At(civil.Clock(10, 0)))
	l.c.restart()
	l.c.up()
}

// issueJuki plays a new issue on a juki card, which holds one certificate.
func (l *lives) issueJuki(birth string) person {
	l.t.Helper()
	p, card := l.next(birth)
	id := l.id("juki-issue")
	l.k.makeOf("juki", card, "2022-12-02")
	l.k.apply(p, id, "issue", nil)
	l.k.drive(id, "done")
	l.cards[p.code] = card
	l.settles(p, "sign valid")
	return p
}

func (l *lives) renewJuki(p person) {
	l.t.Helper()
	id := l.id("juki-renew")
	l.k.insert(l.cards[p.code])
	l.k.apply(p, id, "renew", nil)
	l.k.drive(id, "done")
	l.settles(p, append(l.want[p.code], "sign revoked superseded")...)
}

// exchange hands over a My Number card and takes the juki card back: its certificate ends.
func (l *lives) exchange(p person) {
	l.t.Helper()
	juki, held, card := l.cards[p.code], l.want[p.code], "CARD-"+p.code[len(p.code)-4:]+"-NEW"
	l.manufacture(p, card)
	l.handOver(p, card, map[string]any{"taken_back": juki})
	l.settles(p, append(replaced(held, " valid", " revoked cessation-of-operation"), "auth valid", "sign valid")...)
}
