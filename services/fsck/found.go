package fsck

import (
	"context"
	"fmt"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/found"
)

// nextOrder is the next step for a certificate whose revocation was published and then lost.
const nextOrder = "shomei report order SUBSCRIBER certificate-error --serial SERIAL ends it in the log, too"

// checkFoundListed checks that every certificate found outside the log is on the list once revoked, and removes it from
// the entries that count as unknown.
func (c *check) checkFoundListed(l *list) {
	for serial, known := range l.found {
		if known.RevokedMs == 0 || l.judged[serial] {
			continue
		}
		_, listed := l.entries[serial]
		delete(l.entries, serial)
		if listed || !second(known.SinceMs).Before(l.crl.ThisUpdate) || l.over(second(known.NotAfterMs), second(known.SinceMs)) {
			continue
		}
		c.report.add(listName(l.authority), nextPublish, "number %v leaves out serial %d, which was found outside the log and is revoked", l.crl.Number, serial)
	}
}

// compareFound reports a certificate in force that, by a published list, a lost part of the log had revoked.
func (c *check) compareFound(held *certificate) {
	i := slices.IndexFunc(c.lists, func(l *list) bool { return l.authority == held.authority })
	if i < 0 || held.issued == 0 || held.revoked != 0 || held.abandoned != 0 || held.expired != 0 {
		return
	}
	if known := c.lists[i].found[held.serial]; known.Listed {
		c.report.add(fmt.Sprintf("subscriber/%s", held.subscriber), nextOrder, "serial %d was revoked at %s by a list, but is in force in the log",
			held.serial, stamp(known.RevokedMs))
	}
}

// checkFound reports the certificates outside the log that nobody has revoked.
func (c *check) checkFound(ctx context.Context) error {
	for _, authority := range c.authorities {
		history, err := c.Log.History(ctx, events.KindAuthority, authority)
		if damaged(err) {
			continue // already reported by scan
		}
		if err != nil {
			return err
		}
		for serial, known := range found.Of(history) {
			if known.Open() {
				c.report.add("authority/"+authority, fmt.Sprintf("shomei authority revoke %d --authority %s puts it on the lists", serial, authority), "%s", openFound(serial, known))
			}
		}
	}
	return nil
}

// openFound describes a found certificate on one line.
func openFound(serial uint64, known found.Certificate) string {
	f := known.Found
	return fmt.Sprintf("certificate %d exists and the log never issued it: %s, of subscriber %q on card %q%s, until %s, reported by %s",
		serial, word(f.Kind), f.Subscriber, f.Card, f.Device, time.UnixMilli(f.NotAfterMs).UTC().Format(time.DateOnly), f.Source)
}
