package counterlink

import (
	"time"

	"golang.org/x/time/rate"
)

// Bounds limits what one counter may do; a zero field has its default. An office at its busiest makes 26 procedures an
// hour of four claims each, so the defaults leave ample room for a counter that returns after days offline.
type Bounds struct {
	// Messages is the number of messages a second (200), MessageBurst at once (1,000).
	Messages, MessageBurst int
	// Bytes is the number of bytes a second (1 MiB), ByteBurst at once (16 MiB).
	Bytes, ByteBurst int
	// Questions is the number of questions about persons and cases an hour (720), QuestionBurst at once (500): each
	// about somebody known is a commit, which stays for good.
	Questions, QuestionBurst int
	// Share is how many bytes of one counter's claims are kept for Retention (128 MiB).
	Share int
	// Waiting is how many claims may await handling (1,000), WaitingBytes how many bytes of them (16 MiB).
	Waiting, WaitingBytes int
	// Quarantine is how many entries a counter may leave in quarantine within a day (100). Further ones are only
	// counted.
	Quarantine int
}

func (b Bounds) withDefaults() Bounds {
	for field, value := range map[*int]int{
		&b.Messages: 200, &b.MessageBurst: 1000, &b.Bytes: 1 << 20, &b.ByteBurst: 16 << 20, &b.Share: 128 << 20,
		&b.Questions: 720, &b.QuestionBurst: 500, &b.Waiting: 1000, &b.WaitingBytes: 16 << 20, &b.Quarantine: 100,
	} {
		if *field == 0 {
			*field = value
		}
	}
	return b
}

const (
	// messageCost is charged for each message besides its own bytes, for storing it.
	messageCost = 256
	// Link-ups cost more than other messages: heads are read and compared.
	hellosEvery = 500 * time.Millisecond
	helloBurst  = 10
	// maxConnections is how many connections a counter may have, as counted every countEvery: one of its agent, one of
	// a tool, and a third whose end was not noticed.
	maxConnections = 16
	countEvery     = time.Second
	// strikes is how many messages beyond the bounds are answered before the counter is cut off.
	strikes = 20
	// A counter is cut off for shortestCut, then twice as long each time, up to longestCut. After a time of forgiven
	// without another cut it starts over.
	shortestCut = time.Second
	longestCut  = 10 * time.Minute
	forgiven    = 30 * time.Minute
)

// limits are the current limiters of one counter.
type limits struct {
	messages, bytes, share, hellos, questions *rate.Limiter
}

func newLimits(b Bounds) limits {
	return limits{
		messages:  rate.NewLimiter(rate.Limit(b.Messages), b.MessageBurst),
		bytes:     rate.NewLimiter(rate.Limit(b.Bytes), b.ByteBurst),
		share:     rate.NewLimiter(rate.Limit(float64(b.Share)/Retention.Seconds()), b.Share),
		hellos:    rate.NewLimiter(rate.Every(hellosEvery), helloBurst),
		questions: rate.NewLimiter(rate.Limit(float64(b.Questions)/time.Hour.Seconds()), b.QuestionBurst),
	}
}

// spend takes n from each limiter, or takes nothing and returns how long to wait.
func spend(now time.Time, n int, all ...*rate.Limiter) (wait time.Duration) {
	var taken []*rate.Reservation
	for _, l := range all {
		r := l.ReserveN(now, n)
		if !r.OK() {
			wait = longestCut
			break
		}
		taken = append(taken, r)
		wait = max(wait, r.DelayFrom(now))
	}
	if wait > 0 {
		for _, r := range taken {
			r.CancelAt(now)
		}
	}
	return wait
}

// cutFor returns how long to cut off a counter after so many recent cuts.
func cutFor(cuts int) time.Duration { return min(shortestCut<<min(cuts, 20), longestCut) }
