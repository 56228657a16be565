package hub

import (
	"context"
	"errors"
	"regexp"
	"slices"

	"github.com/nats-io/nkeys"

	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/directory"
	"shomei/pkg/directory/officefile"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/wait"
)

// feedAccount is the account of readers of the outward feed. Nothing reaches it from another account, and no user of it
// may publish: what is published there comes by an import, with the service that publishes it.
const feedAccount = "feed"

// feed returns the account of readers, without its key.
func feed() hubserver.Service { return hubserver.Service{Name: feedAccount, Outside: true} }

// readerSubscriptions is how many subscriptions a reader may have: one for each prefecture, and as many again.
const readerSubscriptions = 100

// readerRights are those of a reader: to hear what is published about prefectures. It says nothing.
func readerRights(reader string, prefectures []string) hubserver.Rights {
	r := hubserver.Rights{Subscribe: []string{counterlink.InboxPrefix(reader) + ".>"}, MaxSubscriptions: readerSubscriptions}
	for _, prefecture := range prefectures {
		r.Subscribe = append(r.Subscribe, events.FeedSubjects(prefecture))
	}
	return r
}

// readerJWT returns what a reader may do at NATS, until it is retired.
func (k keys) readerJWT(r directory.FeedReader) (string, error) {
	account, ok := k.accounts.Service(feedAccount)
	if !ok {
		return "", refuse("this process has no keys that make users of the feed")
	}
	return hubserver.SignUser(account.Key, r.Reader, r.PublicKey, readerRights(r.Reader, r.Prefectures), 0)
}

// prefectureForm is the code of a prefecture (JIS X 0401).
var prefectureForm = regexp.MustCompile(`^(0[1-9]|[1-3][0-9]|4[0-7])$`)

// EnrolFeedReader gives a reader, known by a public nkey, the right to hear what is published about prefectures, and returns its
// JWT. A reader that is enrolled already is refused.
func (o Operator) EnrolFeedReader(ctx context.Context, reader, public string, prefectures []string) (jwt string, err error) {
	if err := officefile.CheckID(reader); err != nil {
		return "", refuse("%v", err)
	}
	if !nkeys.IsValidPublicUserKey(public) {
		return "", refuse("the reader's public key is not a user nkey")
	}
	prefectures = slices.Compact(slices.Sorted(slices.Values(prefectures)))
	if len(prefectures) == 0 || slices.ContainsFunc(prefectures, func(code string) bool { return !prefectureForm.MatchString(code) }) {
		return "", refuse("--prefecture is a code of two digits, 01 to 47, such as 12")
	}
	if _, known := o.hub.Directory.FeedReader(reader); known {
		return "", refuse("reader %s is enrolled already: shomei feed retire %s first, or give another name", reader, reader)
	}
	if slices.ContainsFunc(o.hub.Directory.FeedReaders(), func(r directory.FeedReader) bool { return r.PublicKey == public }) {
		return "", refuse("this key was a reader's before: make another")
	}
	err = o.recordFeed(ctx, &events.FeedReaderEnrolled{Reader: reader, PublicKey: public, Prefectures: prefectures})
	if err != nil {
		return "", err
	}
	return o.hub.permitReader(ctx, reader)
}

// RetireFeedReader takes a reader's credentials away, and returns once the server refuses them.
func (o Operator) RetireFeedReader(ctx context.Context, reader string) error {
	if _, known := o.hub.Directory.FeedReader(reader); !known {
		return noReader(reader)
	}
	if err := o.recordFeed(ctx, &events.FeedReaderRetired{Reader: reader}); err != nil {
		return err
	}
	if !o.hub.asks {
		return o.hub.revoke()
	}
	ctx, cancel := context.WithTimeout(ctx, orderPatience)
	defer cancel()
	return wait.Until(ctx, lookEvery, func() (bool, error) {
		_, err := o.hub.permitReader(ctx, reader)
		if errors.Is(err, ErrRefused) {
			return true, nil
		}
		return false, err
	})
}

func noReader(reader string) error {
	return refuse("no reader %.60s is enrolled: shomei feed list shows them", reader)
}

// recordFeed records an event about the readers of the feed.
func (o Operator) recordFeed(ctx context.Context, body events.Body) error {
	outcome, err := o.hub.as(eventlog.RoleOperator).Update(ctx, events.KindAuthority, events.AuthorityFeed, o.envelope(),
		func(eventlog.Head) ([]*events.Event, error) { return []*events.Event{events.New(body)}, nil })
	if err != nil {
		return err
	}
	return o.hub.Directory.Learn(events.KindAuthority, events.AuthorityFeed, outcome.Commit)
}

// permitReader returns the JWT of a reader, as permit does that of a counter.
func (p *Parts) permitReader(ctx context.Context, reader string) (jwt string, err error) {
	if p.asks {
		return ask[string](ctx, p, readerSubject, reader)
	}
	known, ok := p.Directory.FeedReader(reader)
	if !ok && !slices.ContainsFunc(p.Directory.FeedReaders(), func(r directory.FeedReader) bool { return r.Reader == reader }) {
		ctx, cancel := context.WithTimeout(ctx, directory.HeardWithin)
		defer cancel()
		_ = wait.Until(ctx, lookEvery, func() (bool, error) { known, ok = p.Directory.FeedReader(reader); return ok, nil })
	}
	if !ok {
		if err := p.revoke(); err != nil {
			return "", err
		}
		return "", noReader(reader)
	}
	return p.keys.readerJWT(known)
}
