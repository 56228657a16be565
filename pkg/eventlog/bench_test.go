package eventlog_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/natstest"
)

// Writers, streams and persons are the same for Update and for its floor, raw publishing. Run with -benchtime 12000x or
// more: the first decision about each person has to load.
const (
	benchWriters = 16
	benchPersons = 2000
)

var benchStreams = []int{1, 4}

// spread runs b.N pieces of work on benchWriters goroutines.
func spread(b *testing.B, work func(i int) error) {
	var next atomic.Int64
	var group sync.WaitGroup
	b.ResetTimer()
	for range benchWriters {
		group.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := work(int(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

func BenchmarkUpdate(b *testing.B) { benchUpdate(b, 0) }

// BenchmarkUpdateElsewhere has no cached heads: as if another process had decided last about everyone.
func BenchmarkUpdateElsewhere(b *testing.B) { benchUpdate(b, -1) }

func benchUpdate(b *testing.B, cache int) {
	for _, streams := range benchStreams {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			s := natstest.Start(b)
			c := config(b, natstest.Connect(b, s.URL()), newKey(b))
			c.Streams, c.CacheBytes = streams, cache
			l := open(b, c)
			people := ids(benchPersons)
			spread(b, func(i int) error {
				_, err := l.Update(context.Background(), events.KindSubscriber, people[i%benchPersons],
					eventlog.Envelope{CommandID: fmt.Sprintf("c%d", i)}, reissue(uint64(i)))
				return err
			})
		})
	}
}

func BenchmarkRawPublish(b *testing.B) {
	for _, streams := range benchStreams {
		b.Run(fmt.Sprintf("streams=%d", streams), func(b *testing.B) {
			s := natstest.Start(b)
			js, err := jetstream.New(natstest.Connect(b, s.URL()))
			if err != nil {
				b.Fatal(err)
			}
			for i := range streams {
				if _, err := js.CreateStream(b.Context(), jetstream.StreamConfig{
					Name:     events.StreamName(i, streams),
					Subjects: events.StreamSubjects(i, streams), Storage: jetstream.FileStorage,
				}); err != nil {
					b.Fatal(err)
				}
			}
			people, payload := ids(benchPersons), make([]byte, 1600)
			spread(b, func(i int) error {
				_, err := js.Publish(context.Background(), events.LogSubject(events.KindSubscriber, people[i%benchPersons]), payload)
				return err
			})
		})
	}
}

const benchRecords = 60_000

// benchStore fills a stream with copies of one genuine commit of one event, by asynchronous publishing.
func benchStore(b *testing.B) (*eventlog.Log, jetstream.JetStream) {
	s := natstest.Start(b)
	conn := natstest.Connect(b, s.URL())
	l := open(b, config(b, conn, newKey(b)))
	if _, err := l.Update(b.Context(), events.KindSubscriber, "p", eventlog.Envelope{CommandID: "c"}, reissue(1)); err != nil {
		b.Fatal(err)
	}
	records, err := l.History(b.Context(), events.KindSubscriber, "p")
	if err != nil {
		b.Fatal(err)
	}
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(4000))
	if err != nil {
		b.Fatal(err)
	}
	for range benchRecords - 1 {
		if _, err := js.PublishAsync(events.LogSubject(events.KindSubscriber, "p"), records[0].Stored, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	<-js.PublishAsyncComplete()
	return l, js
}

func BenchmarkFollow(b *testing.B) {
	for _, unverified := range []bool{true, false} {
		b.Run(fmt.Sprintf("unverified=%v", unverified), func(b *testing.B) {
			l, _ := benchStore(b)
			for b.Loop() {
				ctx, cancel := context.WithCancel(context.Background())
				got := 0
				err := l.Follow(ctx, eventlog.Follower{
					Name: "bench", From: eventlog.Positions{}, Batch: 4000, Unverified: unverified,
					Handle: func(_ context.Context, batch []eventlog.Record) error {
						if got += len(batch); got >= benchRecords {
							cancel()
						}
						return nil
					},
				})
				cancel()
				if err != nil || got != benchRecords {
					b.Fatalf("%d records, %v", got, err)
				}
			}
			b.ReportMetric(float64(b.N)*benchRecords/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

func BenchmarkRawConsume(b *testing.B) {
	l, js := benchStore(b)
	for b.Loop() {
		consumer, err := js.CreateConsumer(b.Context(), l.Streams()[0], jetstream.ConsumerConfig{
			AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true,
		})
		if err != nil {
			b.Fatal(err)
		}
		messages, err := consumer.Messages(jetstream.PullMaxMessages(4000))
		if err != nil {
			b.Fatal(err)
		}
		for range benchRecords {
			if _, err := messages.Next(); err != nil {
				b.Fatal(err)
			}
		}
		messages.Stop()
	}
	b.ReportMetric(float64(b.N)*benchRecords/b.Elapsed().Seconds(), "commits/s")
}
