package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"google.golang.org/protobuf/encoding/protojson"

	"shomei/cmd/shomei/hub"
	"shomei/events"
	"shomei/pkg/counterlink"
	"shomei/pkg/vault"
)

// maxOrder bounds an order, in bytes: an office's calendar is the largest.
const maxOrder = 1 << 20

// Order is an order and the officer who gives it.
type Order[T any] struct {
	// Officer is the number of the officer, never a name.
	Officer string `json:"officer"`
	What    T      `json:"what"`
}

// DefineOffice is the order to define an office; Definition is events.OfficeDefined as protobuf JSON.
type DefineOffice struct {
	ID         string          `json:"id"`
	Definition json.RawMessage `json:"definition"`
}

// CardKey names the newest version of the master key of cards.
type CardKey struct {
	Version uint16 `json:"version"`
}

// Outcome reports whether an order changed anything.
type Outcome struct {
	Changed bool `json:"changed"`
}

// refusal is the response to an order that was not carried out.
type refusal struct {
	Error string `json:"error"`
}

// Handler serves the orders of the hub's own user.
func Handler(h *hub.Parts) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /offices", order(h, defineOffice))
	mux.HandleFunc("POST /counters", order(h, func(ctx context.Context, o hub.Operator, _ *http.Request, what hub.Enrolment) (hub.Enrolled, error) {
		return o.Enrol(ctx, what)
	}))
	mux.HandleFunc("POST /counters/seen", order(h, func(context.Context, hub.Operator, *http.Request, struct{}) ([]counterlink.Seen, error) {
		return h.SeenCounters()
	}))
	mux.HandleFunc("POST /counters/{counter}/retire", order(h, func(ctx context.Context, o hub.Operator, r *http.Request, _ struct{}) (Outcome, error) {
		return Outcome{true}, o.Retire(ctx, r.PathValue("counter"))
	}))
	mux.HandleFunc("POST /counters/{counter}/renew", order(h, func(_ context.Context, o hub.Operator, r *http.Request, _ struct{}) (string, error) {
		return o.Renew(r.PathValue("counter"))
	}))
	mux.HandleFunc("POST /counters/{counter}/heads", order(h, func(_ context.Context, o hub.Operator, r *http.Request, _ struct{}) (hub.Heads, error) {
		return o.Heads(r.PathValue("counter"))
	}))
	mux.HandleFunc("POST /counters/{counter}/adopt", order(h, func(ctx context.Context, o hub.Operator, r *http.Request, what hub.Adoption) (Outcome, error) {
		return Outcome{true}, o.Adopt(ctx, r.PathValue("counter"), what)
	}))
	mux.HandleFunc("POST /authorities/{authority}/revoke", order(h, func(ctx context.Context, o hub.Operator, r *http.Request, what hub.FoundRevocation) (Outcome, error) {
		return Outcome{true}, o.RevokeFound(ctx, r.PathValue("authority"), what)
	}))
	mux.HandleFunc("POST /cards/roll", order(h, func(ctx context.Context, o hub.Operator, _ *http.Request, _ struct{}) (CardKey, error) {
		version, err := o.RollCards(ctx)
		return CardKey{version}, err
	}))
	mux.HandleFunc("POST /reports", order(h, func(ctx context.Context, o hub.Operator, _ *http.Request, what hub.Report) (hub.Reported, error) {
		return o.Report(ctx, what)
	}))
	mux.HandleFunc("POST /quarantine/{id}/resolve", order(h, func(ctx context.Context, o hub.Operator, r *http.Request, what hub.Resolution) (Outcome, error) {
		return Outcome{true}, o.Resolve(ctx, r.PathValue("id"), what)
	}))
	mux.HandleFunc("POST /subscribers/{subscriber}/erase", order(h, func(ctx context.Context, o hub.Operator, r *http.Request, what hub.Erasure) (hub.Erased, error) {
		return o.Erase(ctx, r.PathValue("subscriber"), what)
	}))
	mux.HandleFunc("POST /keys", order(h, func(ctx context.Context, _ hub.Operator, _ *http.Request, what []vault.Key) ([]vault.Status, error) {
		return h.KeyStatuses(ctx, what)
	}))
	return mux
}

func defineOffice(ctx context.Context, o hub.Operator, _ *http.Request, what DefineOffice) (Outcome, error) {
	definition := &events.OfficeDefined{}
	if err := protojson.Unmarshal(what.Definition, definition); err != nil {
		return Outcome{}, fmt.Errorf("%w: the definition of office %.60q: %w", hub.ErrRefused, what.ID, err)
	}
	changed, err := o.DefineOffice(ctx, what.ID, definition)
	return Outcome{changed}, err
}

// order decodes an order, has it carried out and responds with the outcome.
func order[In, Out any](h *hub.Parts, do func(context.Context, hub.Operator, *http.Request, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var given Order[In]
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrder))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&given); err != nil {
			respond(w, http.StatusBadRequest, refusal{"the order can't be read: " + err.Error()})
			return
		}
		officer, err := h.By(given.Officer)
		if err != nil {
			fail(w, err)
			return
		}
		out, err := do(r.Context(), officer, r, given.What)
		if err != nil {
			fail(w, err)
			return
		}
		respond(w, http.StatusOK, out)
	}
}

func fail(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if errors.Is(err, hub.ErrRefused) {
		status = http.StatusConflict
	}
	respond(w, status, refusal{err.Error()})
}

func respond(w http.ResponseWriter, status int, what any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(what) // the client may have hung up
}
