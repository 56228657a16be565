package fsck

import (
	"context"
	"fmt"
	"slices"
	"time"

	"shomei/events"
	"shomei/pkg/found"
)

// nextOrder is what to do about a certificate whose revocation was published and then lost.
const nextOrder = "shomei report order SUBSCRIBER certificate-error --serial SERIAL ends it in the log, too"

// checkFoundListed looks whether everything that the log has learned of, and never issued, stands on a list once it is
// revoked; what stands there is no stranger then.
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
		c.report.add(listName(l.authority), nextPublish, "number %v leaves out serial %d, which was found and is revoked", l.crl.Number, serial)
	}
}

// compareFound names a certificate of the log that a lost part of it had revoked, and that this log holds in force.
func (c *check) compareFound(held *certificate) {
	i := slices.IndexFunc(c.lists, func(l *list) bool { return l.authority == held.authority })
	if i < 0 || held.issued == 0 || held.revoked != 0 || held.abandoned != 0 || held.expired != 0 {
		return
	}
	if known := c.lists[i].found[held.serial]; known.Listed {
		c.report.add(fmt.Sprintf("subscriber/%s", held.subscriber), nextOrder, "serial %d was revoked at %s by a list, and the log holds it in force",
			held.serial, stamp(known.RevokedMs))
	}
}

// checkFound names the certificates that exist outside the log and that nobody has revoked.
func (c *check) checkFound(ctx context.Context) error {
	for _, authority := range c.authorities {
		history, err := c.Log.History(ctx, events.KindAuthority, authority)
		if damaged(err) {
			continue // found and named on the way through the log
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

// openFound says in one line what is known of a certificate that was found.
func openFound(serial uint64, known found.Certificate) string {
	f := known.Found
	return fmt.Sprintf("certificate %d exists and the log never issued it: %s, of subscriber %q on card %q%s, until %s, told by %s",
		serial, word(f.Kind), f.Subscriber, f.Card, f.Device, time.UnixMilli(f.NotAfterMs).UTC().Format(time.DateOnly), f.Source)
}
