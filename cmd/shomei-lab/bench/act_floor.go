package bench

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"shomei/cmd/shomei/hub"
	"shomei/pkg/counterlink"
)

// bareActs does on a hub's server what acts cost it, without our code.
type bareActs struct {
	hub *hub.Hub
	js  jetstream.JetStream
	key *rsa.PrivateKey
}

func openBareActs(ctx context.Context, h *hub.Hub) (*bareActs, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	conn, err := h.FloorConn()
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	for _, name := range floorStreams {
		_, err := js.CreateStream(ctx, jetstream.StreamConfig{
			Name: name, Subjects: []string{"floor." + name + ".*"}, Storage: jetstream.FileStorage,
		})
		if err != nil {
			return nil, err
		}
	}
	return &bareActs{h, js, key}, nil
}

// floorStreams hold the floor's messages, one for each of our streams.
var floorStreams = []string{"FLOOR_CLAIMS", "FLOOR_LOG", "FLOOR_COMMANDS"}

// traffic is what one act publishes on one stream.
type traffic struct {
	messages int
	size     int
}

// stored returns what the streams of an act hold.
func (b *bareActs) stored(ctx context.Context) ([]jetstream.StreamState, error) {
	if err := b.hub.Settle(ctx); err != nil {
		return nil, err
	}
	var list []jetstream.StreamState
	for _, name := range []string{counterlink.ClaimStream, b.hub.Log.Streams()[0], counterlink.CommandStream} {
		stream, err := b.js.Stream(ctx, name)
		if err != nil {
			return nil, err
		}
		list = append(list, stream.CachedInfo().State)
	}
	return list, nil
}

// sizes returns what each of some acts has published on average since before.
func (b *bareActs) sizes(ctx context.Context, before []jetstream.StreamState, acts uint64) ([]traffic, error) {
	after, err := b.stored(ctx)
	if err != nil {
		return nil, err
	}
	var list []traffic
	for i, state := range after {
		messages := state.Msgs - before[i].Msgs
		list = append(list, traffic{int((messages + acts/2) / acts), int((state.Bytes - before[i].Bytes) / max(messages, 1))})
	}
	return list, nil
}

// act publishes and signs what an act publishes and signs, and does nothing else.
func (b *bareActs) act(ctx context.Context, list []traffic, i int64) error {
	for n, t := range list {
		payload := make([]byte, t.size)
		for m := range t.messages {
			if _, err := b.js.Publish(ctx, fmt.Sprintf("floor.%s.%d", floorStreams[n], (i+int64(m))%persons), payload); err != nil {
				return err
			}
		}
	}
	for range 2 {
		sum := sha256.Sum256(fmt.Append(nil, i))
		if _, err := rsa.SignPKCS1v15(rand.Reader, b.key, crypto.SHA256, sum[:]); err != nil {
			return err
		}
	}
	return nil
}
