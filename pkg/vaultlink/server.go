package vaultlink

import (
	"context"
	"crypto/hpke"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/vault"
)

// ServerConfig configures a Server; all fields are required.
type ServerConfig struct {
	Conn  *nats.Conn
	Vault *vault.Vault
	// Key opens requests; clients have its public key.
	Key hpke.PrivateKey
	// Role returns the role of a writer that is enrolled and not retired (eventlog.Log.RoleOf).
	Role func(public string) (eventlog.Role, bool)
	// Disclosed returns why the operator whose key a writer is may not open what is held on a person, or nil.
	Disclosed func(writer, person string) error
	Clock     func() time.Time
	Logger    *slog.Logger
}

// Server seals and opens for the services that may have it done.
type Server struct {
	ServerConfig
	requests *prometheus.CounterVec
	lines    rate.Sometimes // log lines about requests that can't be attributed
	failures rate.Sometimes // log lines about what the vault could not do
	running  sync.WaitGroup

	mu     sync.Mutex
	askers map[string]*asker // by public key
}

// NewServer returns a Server.
func NewServer(c ServerConfig) *Server {
	return &Server{
		ServerConfig: c, askers: make(map[string]*asker), lines: someLines(), failures: someLines(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shomei_vault_requests_total",
			Help: "What services asked of the vault, by outcome (done, refused, busy, erased, binding, no_key, missing, failed, indexing).",
		}, []string{"verb", "role", "class", "outcome"}),
	}
}

// Collectors returns the metrics of the server, for the command to register once.
func (s *Server) Collectors() []prometheus.Collector { return []prometheus.Collector{s.requests} }

const (
	queueGroup = "vault"
	// What waits to be looked at is bounded for each verb; NATS drops what is beyond, and its asker asks again.
	pendingMessages = 4096
	pendingBytes    = 32 << 20
)

// Run answers requests until ctx ends, and then those that have come by then.
func (s *Server) Run(ctx context.Context) error {
	defer s.running.Wait()
	for _, verb := range verbs {
		end, err := s.listen(verb)
		if err != nil {
			return err
		}
		defer end()
	}
	<-ctx.Done()
	return nil
}

// listen has requests of a verb received until end is called, which returns when the last one has been.
func (s *Server) listen(verb Verb) (end func(), err error) {
	sub, err := s.Conn.QueueSubscribe(verb.subject(), queueGroup, func(m *nats.Msg) { s.receive(verb, m) })
	if err == nil {
		err = sub.SetPendingLimits(pendingMessages, pendingBytes)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", verb.subject(), err)
	}
	ended := make(chan struct{})
	sub.SetClosedHandler(func(string) { close(ended) })
	return func() {
		leave := sub.Drain
		if !s.Conn.IsConnected() { // it would wait for the server
			leave = sub.Unsubscribe
		}
		if leave() == nil {
			<-ended
		}
	}, nil
}

// receive takes a request into work, or says why not. It is called with one request of a verb at a time.
func (s *Server) receive(verb Verb, m *nats.Msg) {
	if !ownInbox(m.Reply) {
		return
	}
	w, err := s.admit(verb, m.Data)
	if err != nil {
		s.respond(m, s.turnAway(w, err))
		return
	}
	s.running.Go(func() {
		defer w.leave()
		s.respond(m, s.serve(w))
	})
}

// work is a request of a known writer.
type work struct {
	*received
	verb  Verb
	role  eventlog.Role
	asker *asker
	leave func()
}

// admit verifies a request and takes it into work. The role is set once it is known who asks.
func (s *Server) admit(verb Verb, data []byte) (w work, err error) {
	w.verb = verb
	var role eventlog.Role
	w.received, err = parseRequest(data, func(writer string) error {
		var known bool
		if role, known = s.Role(writer); !known {
			return fmt.Errorf("%.60q is not enrolled as a writer, or was retired", writer)
		}
		return nil
	})
	if err != nil {
		return w, err
	}
	w.role, w.asker = role, s.asker(w.writer)
	w.leave, err = w.asker.enter(w.request.GetNonce(), time.UnixMilli(w.request.GetMadeMs()), s.Clock(), len(data))
	return w, err
}

func (s *Server) asker(writer string) *asker {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.askers[writer] == nil {
		s.askers[writer] = newAsker()
	}
	return s.askers[writer]
}

// turnAway answers a request that is not taken.
func (s *Server) turnAway(w work, why error) []byte {
	answer, outcome := &events.SealedVaultAnswer{Refused: why.Error()}, "refused"
	if errors.Is(why, errBusy) {
		answer, outcome = &events.SealedVaultAnswer{Busy: true}, "busy"
	}
	lines := &s.lines
	if w.asker != nil {
		lines = &w.asker.lines
	}
	lines.Do(func() { s.Logger.Warn("request to the vault not taken", "verb", w.verb, "role", w.role, "why", why) })
	s.count(w, "", outcome)
	data, err := events.Encode(answer)
	if err != nil {
		s.Logger.Error("encoding a refusal of the vault", "error", err)
	}
	return data
}

// serve does what is asked, if the role may have it done, and returns the sealed answer.
func (s *Server) serve(w work) []byte {
	call, err := w.open(s.Key)
	if err != nil {
		return s.turnAway(w, err)
	}
	about := class(w.verb, call)
	answer := s.judge(w, call, about)
	if answer == nil {
		answer = s.do(w, call)
	}
	defer clear(answer.GetPlaintext())
	s.count(w, about, strings.ToLower(strings.TrimPrefix(answer.GetOutcome().String(), "VAULT_OUTCOME_")))
	data, err := w.seal(answer)
	if err != nil {
		return s.turnAway(w, err)
	}
	return data
}

// judge returns the refusal, or nil.
func (s *Server) judge(w work, call *events.VaultCall, class string) *events.VaultAnswer {
	why := forbids(w.role, w.verb, class)
	if why == nil {
		why = misplaced(call)
	}
	if why == nil && w.role == eventlog.RoleOperator && w.verb == Open {
		why = s.Disclosed(w.writer, call.GetPerson())
	}
	if why == nil {
		return nil
	}
	w.asker.lines.Do(func() { s.Logger.Warn("the vault refuses a service", "why", why, "writer", w.writer) })
	return &events.VaultAnswer{Outcome: events.VaultOutcome_VAULT_OUTCOME_REFUSED, Why: why.Error()}
}

func (s *Server) do(w work, call *events.VaultCall) *events.VaultAnswer {
	answer := &events.VaultAnswer{}
	var err error
	switch v := call.GetVerb().(type) {
	case *events.VaultCall_Seal:
		defer clear(v.Seal.GetPlaintext())
		answer.Sealed, err = s.Vault.Seal(call.GetPerson(), v.Seal.GetRecordClass(), bindingOf(v.Seal.GetBinding()), v.Seal.GetPlaintext())
	case *events.VaultCall_Open:
		answer.Plaintext, err = s.Vault.Open(call.GetPerson(), bindingOf(v.Open.GetBinding()), v.Open.GetSealed())
	case *events.VaultCall_Renew:
		err = s.Vault.Renew(call.GetPerson(), v.Renew.GetRecordClass())
	case *events.VaultCall_Status:
		err = s.look(vault.Key{Person: call.GetPerson(), Class: v.Status.GetRecordClass(), Version: v.Status.GetKeyVersion()})
	case *events.VaultCall_Find:
		answer.Found, err = s.Vault.Find(v.Find.GetName(), v.Find.GetBirthDate())
	}
	answer.Outcome = outcomeOf(err)
	if answer.Outcome == events.VaultOutcome_VAULT_OUTCOME_FAILED {
		s.failures.Do(func() {
			s.Logger.Error("the vault could not do what a service asked, which asks again", "verb", w.verb, "role", w.role, "error", err)
		})
	}
	return answer
}

// look returns why the vault does not hold a key, or nil.
func (s *Server) look(k vault.Key) error {
	switch status, err := s.Vault.Status(k); {
	case err != nil:
		return err
	case status == vault.Erased:
		return vault.ErrErased
	case status == vault.Missing:
		return vault.ErrMissing
	}
	return nil
}

// count counts a request. The class is a label only if it is one: otherwise the asker would choose it.
func (s *Server) count(w work, class, outcome string) {
	if class != vault.Operations && !slices.Contains(vault.Classes, class) {
		class = "unknown"
	}
	role := w.role
	if role == "" {
		role = "unknown"
	}
	s.requests.WithLabelValues(string(w.verb), string(role), class, outcome).Inc()
}

func (s *Server) respond(m *nats.Msg, data []byte) {
	if err := m.Respond(data); err != nil {
		s.Logger.Warn("an answer of the vault could not be sent, the service asks again", "error", err)
	}
}
