package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"time"

	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/lifecycle"
	"shomei/pkg/notice"
	"shomei/pkg/warehouse"
)

const (
	office      = "12237-main"
	counterName = "12237-main-1"
)

// serveCentre runs a whole hub, as shomei all does, and takes orders over HTTP on loopback: what a test needs of it that
// no counter may ask. Its first line of output is the address.
func serveCentre(args []string) int {
	var data string
	var port, mail int
	var begin string
	flags := flag.NewFlagSet("centre", flag.ExitOnError)
	flags.StringVar(&data, "data", "", "")
	flags.IntVar(&port, "port", 0, "")
	flags.IntVar(&mail, "mail", 0, "")
	flags.StringVar(&begin, "begin", "", "")
	_ = flags.Parse(args) // ExitOnError
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := runCentre(ctx, data, port, mail, begin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func runCentre(ctx context.Context, data string, port, mail int, begin string) error {
	at, err := time.Parse(time.RFC3339, begin)
	if err != nil {
		return err
	}
	config := hub.Config{
		Data: data, Clock: filepath.Join(data, "clock"), Begin: at, Port: port,
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
	if mail != 0 {
		config.Mail = notice.Mailer{Host: "127.0.0.1", Port: mail, TLS: "none"}
	}
	h, err := hub.Start(ctx, config, hub.ByHand...)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, h.Close())
	}
	server := &http.Server{Handler: orders(h)}
	go func() { _ = server.Serve(l) }()
	fmt.Printf("http://%s\n", l.Addr())
	failed := make(chan error, 1)
	go func() { failed <- h.Wait() }()
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	_ = server.Close()
	return errors.Join(err, h.Close())
}

// orders are what a test asks of a centre. Each may be given again after a crash.
func orders(h *hub.Hub) http.Handler {
	mux := http.NewServeMux()
	order := func(pattern string, do func(context.Context, *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			value, err := do(r.Context(), r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			_ = json.NewEncoder(w).Encode(value)
		})
	}
	order("POST /counter", func(ctx context.Context, _ *http.Request) (any, error) { return h.TryOut(ctx, office, counterName) })
	order("POST /factory", func(ctx context.Context, _ *http.Request) (any, error) {
		if _, err := h.TryOut(ctx, office, counterName); err != nil {
			return nil, err
		}
		return h.EnrolCounter(ctx, office, office+"-factory", "factory", office[:5]+"F001")
	})
	order("POST /telephone", func(ctx context.Context, _ *http.Request) (any, error) {
		_, err := h.Source(ctx, office, "telephone")
		return nil, err
	})
	order("POST /second-counter", func(ctx context.Context, _ *http.Request) (any, error) { return h.TryOut(ctx, office, office+"-2") })
	order("POST /advance", func(ctx context.Context, r *http.Request) (any, error) {
		to, err := time.Parse(time.RFC3339, r.FormValue("to"))
		if err == nil && to.After(h.Clock.Now()) {
			err = h.Advance(ctx, to)
		}
		if err == nil {
			_, err = h.Expiry.Tick(ctx) // what a crash cut off after the clock was set
		}
		return nil, err
	})
	order("POST /settle", func(ctx context.Context, _ *http.Request) (any, error) { return nil, h.Settle(ctx) })
	order("POST /lists", func(ctx context.Context, _ *http.Request) (any, error) {
		return nil, h.Issuer.PublishDue(ctx, h.Issuer.Lists)
	})
	order("POST /adopt", func(ctx context.Context, _ *http.Request) (any, error) {
		officer, err := h.By("0042")
		if err != nil {
			return nil, err
		}
		heads, err := officer.Heads(ctx, counterName)
		if err != nil {
			return nil, err
		}
		return officer.Adopt(ctx, counterName, hub.Adoption{Seen: heads, Why: "restored"})
	})
	order("GET /found", func(ctx context.Context, _ *http.Request) (any, error) { return h.FoundCertificates(ctx) })
	order("POST /revoke-found", func(ctx context.Context, r *http.Request) (any, error) {
		officer, err := h.By("0042")
		if err != nil {
			return nil, err
		}
		return officer.RevokeFound(ctx, r.FormValue("authority"), hub.FoundRevocation{Serial: r.FormValue("serial"), Reason: "superseded", Why: "restored"})
	})
	order("GET /healthz", func(_ context.Context, r *http.Request) (any, error) {
		answer := httptest.NewRecorder()
		h.Operations().ServeHTTP(answer, r)
		return answer.Body.String(), nil
	})
	order("GET /fsck", func(ctx context.Context, _ *http.Request) (any, error) { return h.Fsck(ctx, nil) })
	order("GET /certificates", func(ctx context.Context, r *http.Request) (any, error) {
		list, err := h.Warehouse.State(ctx, r.FormValue("subscriber"), h.Clock.Now())
		if errors.Is(err, warehouse.ErrNotFound) {
			return []warehouse.Certificate{}, nil
		}
		return list, err
	})
	order("GET /notices", func(ctx context.Context, r *http.Request) (any, error) {
		return h.Warehouse.Notices(ctx, r.FormValue("subscriber"))
	})
	order("GET /quarantined", func(ctx context.Context, _ *http.Request) (any, error) {
		ids, err := aggregates(ctx, h.Parts, events.KindQuarantine)
		return len(ids), err
	})
	order("GET /history", func(ctx context.Context, r *http.Request) (any, error) {
		return h.Warehouse.History(ctx, r.FormValue("subscriber"), time.Time{})
	})
	order("GET /clock", func(context.Context, *http.Request) (any, error) { return h.Clock.Now(), nil })
	order("GET /owed", func(ctx context.Context, _ *http.Request) (any, error) { return stillOwed(ctx, h.Parts) })
	order("POST /loss", func(ctx context.Context, r *http.Request) (any, error) {
		source, err := h.Source(ctx, office, "telephone")
		if err != nil {
			return nil, err
		}
		claim := &events.Claim{Subscriber: r.FormValue("subscriber"), Fact: &events.Claim_LossNotified{LossNotified: &events.LossNotified{By: "telephone"}}}
		return source.Report(ctx, claim, nil)
	})
	return mux
}

// stillOwed names every obligation that stands in the state of a subscriber.
func stillOwed(ctx context.Context, h *hub.Parts) ([]string, error) {
	owed := []string{}
	ids, err := aggregates(ctx, h, events.KindSubscriber)
	for _, id := range ids {
		at, err := h.Log.Load(ctx, events.KindSubscriber, id)
		if err != nil {
			return owed, err
		}
		state, err := lifecycle.DecodeSubscriber(at.State)
		if err != nil {
			return owed, err
		}
		for _, o := range state.GetObligations() {
			owed = append(owed, o.GetId()+" "+o.GetKind().String())
		}
	}
	return owed, err
}

// aggregates lists the ids of a kind that the log holds.
func aggregates(ctx context.Context, h *hub.Parts, kind string) (ids []string, err error) {
	err = h.Log.Scan(ctx, nil, []string{kind}, func(r eventlog.Record, _ error) error {
		if !slices.Contains(ids, r.ID) {
			ids = append(ids, r.ID)
		}
		return nil
	})
	return ids, err
}
