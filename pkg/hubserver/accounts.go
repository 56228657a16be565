package hubserver

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"shomei/pkg/durable"
)

// Accounts are the keys of a server in operator mode. Whoever holds the key of an account can make users of it.
//
// Log holds the streams and is the only account with JetStream. Counters neither exports nor imports: no message of a
// user in it reaches another account. System is the server's own. Each service has an account of its own.
type Accounts struct {
	Operator, System, Log, Counters nkeys.KeyPair
	Services                        []Service
}

// Service is the account of a service. Its users send requests to the subjects that it asks for, and get the answers: no
// other message crosses from or to another account. The server puts a reply subject of its own in the place of theirs, so
// that an answer goes nowhere but into their own account, whatever they name: inside one account an answer can be
// made to arrive on any subject, and so to be stored in any stream.
type Service struct {
	Name string
	Key  nkeys.KeyPair
	// Asks lists the subjects in the account of the log that its users may send to: requests to JetStream, and what streams store.
	Asks []string
	// Answers lists the subjects on which it answers the other services, AsksOf those that it may send to, by who answers.
	Answers []string
	AsksOf  map[string][]string
}

// Service returns the account of a service by its name.
func (a Accounts) Service(name string) (Service, bool) {
	i := slices.IndexFunc(a.Services, func(s Service) bool { return s.Name == name })
	if i < 0 {
		return Service{}, false
	}
	return a.Services[i], true
}

// Presence is a subject in the account of each service, on which a process of it answers that it is there.
const Presence = "shomei.presence"

// Rights returns what a user of the service needs: all that the account may do.
func (s Service) Rights() Rights {
	r := Rights{Publish: append([]string{Presence}, s.Asks...), Subscribe: append([]string{"_INBOX.>", Presence}, s.Answers...)}
	for _, subjects := range s.AsksOf {
		r.Publish = append(r.Publish, subjects...)
	}
	if len(s.Answers) > 0 {
		r.Publish = append(r.Publish, "_R_.>") // where the server sends answers on
	}
	r.Publish = append(r.Publish, "_INBOX.>") // for Presence; nobody else is in the account
	return r
}

// Rights are what a user may do in its account; everything else is denied.
type Rights struct {
	Publish, Subscribe []string
	// MaxPayload bounds a message in bytes, MaxSubscriptions their number; 0: only the server's bound.
	MaxPayload, MaxSubscriptions int64
}

// SignUser returns the JWT of a user, known by its public nkey (U…), signed with the key of its account. It is valid
// for the given time or, if that is zero, until it is revoked.
func SignUser(account nkeys.KeyPair, name, user string, r Rights, valid time.Duration) (string, error) {
	if !nkeys.IsValidPublicUserKey(user) {
		return "", fmt.Errorf("%.60q is not a public user nkey (U…): %w", user, ErrConfig)
	}
	claims := jwt.NewUserClaims(user)
	claims.Name = name
	claims.Pub, claims.Sub = only(r.Publish), only(r.Subscribe)
	if r.MaxPayload > 0 {
		claims.Limits.Payload = r.MaxPayload
	}
	if r.MaxSubscriptions > 0 {
		claims.Limits.Subs = r.MaxSubscriptions
	}
	if valid > 0 {
		claims.Expires = time.Now().Add(valid).Unix()
	}
	token, err := claims.Encode(account)
	if err != nil {
		return "", fmt.Errorf("signing the rights of %s: %w", name, err)
	}
	return token, nil
}

// only allows the given subjects; without any it denies all, because the server reads an empty list as everything.
func only(subjects []string) jwt.Permission {
	if len(subjects) == 0 {
		return jwt.Permission{Deny: jwt.StringList{">"}}
	}
	return jwt.Permission{Allow: subjects}
}

// maxConnections bounds the account of the counters: a prefecture's counters, each with a few connections.
const maxConnections = 10_000

// log returns the claims of the log's account, which answers what any service may ask.
func (a Accounts) log() (*jwt.AccountClaims, error) {
	claims, err := accountClaims(a.Log, "LOG")
	if err != nil {
		return nil, err
	}
	claims.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit,
	}
	var asked []string
	for _, s := range a.Services {
		asked = append(asked, s.Asks...)
	}
	answer(claims, asked)
	return claims, nil
}

// service returns the claims of a service's account.
func (a Accounts) service(s Service) (*jwt.AccountClaims, error) {
	claims, err := accountClaims(s.Key, strings.ToUpper(s.Name))
	if err != nil {
		return nil, err
	}
	answer(claims, s.Answers)
	if err := ask(claims, a.Log, s.Asks); err != nil {
		return nil, err
	}
	for _, of := range slices.Sorted(maps.Keys(s.AsksOf)) {
		other, ok := a.Service(of)
		if !ok {
			return nil, fmt.Errorf("%s asks %s, which is no service: %w", s.Name, of, ErrConfig)
		}
		if err := ask(claims, other.Key, s.AsksOf[of]); err != nil {
			return nil, err
		}
	}
	return claims, nil
}

// nextResponse bounds the pause between two messages of one answer to a pull request. The client and the server must
// exchange heartbeats more often.
const nextResponse = 5 * time.Second

// answer exports subjects on which users of the account answer requests from other accounts. A pull request has many
// answers, all others one.
func answer(claims *jwt.AccountClaims, subjects []string) {
	subjects = widest(subjects)
	if len(subjects) > 0 {
		claims.Limits.Exports, claims.Limits.WildcardExports = jwt.NoLimit, true
	}
	for _, subject := range subjects {
		export := &jwt.Export{Name: subject, Subject: jwt.Subject(subject), Type: jwt.Service, ResponseType: jwt.ResponseTypeSingleton}
		if strings.HasPrefix(subject, pullPrefix) {
			export.ResponseType, export.ResponseThreshold = jwt.ResponseTypeStream, nextResponse
		}
		claims.Exports.Add(export)
	}
}

// widest leaves out subjects that another covers: a server takes no exports and no imports that overlap.
func widest(subjects []string) []string {
	sorted := slices.Compact(slices.Sorted(slices.Values(subjects)))
	return slices.DeleteFunc(slices.Clone(sorted), func(subject string) bool {
		return slices.ContainsFunc(sorted, func(wider string) bool { return wider != subject && server.SubjectMatchesFilter(subject, wider) })
	})
}

// ask imports subjects of another account.
func ask(claims *jwt.AccountClaims, of nkeys.KeyPair, subjects []string) error {
	if len(subjects) == 0 {
		return nil
	}
	public, err := of.PublicKey()
	if err != nil {
		return fmt.Errorf("public key of the account that %s asks: %w", claims.Name, err)
	}
	claims.Limits.Imports = jwt.NoLimit
	for _, subject := range widest(subjects) {
		claims.Imports.Add(&jwt.Import{Name: subject, Subject: jwt.Subject(subject), Account: public, Type: jwt.Service})
	}
	return nil
}

// counters returns the claims of the counters' account: no JetStream, and the revoked users.
func (a Accounts) counters(revoked []string) (*jwt.AccountClaims, error) {
	claims, err := accountClaims(a.Counters, "COUNTERS")
	if err == nil {
		claims.Limits.Conn = maxConnections
		for _, user := range revoked {
			claims.Revoke(user)
		}
	}
	return claims, err
}

func accountClaims(key nkeys.KeyPair, name string) (*jwt.AccountClaims, error) {
	public, err := key.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("public key of account %s: %w", name, err)
	}
	claims := jwt.NewAccountClaims(public)
	claims.Name = name
	claims.Limits.Imports, claims.Limits.Exports, claims.Limits.LeafNodeConn = 0, 0, 0
	claims.Limits.DisallowBearer = true
	return claims, nil
}

// apply adds the accounts to a server's options.
func (a Accounts) apply(options *server.Options) error {
	operator, all, err := a.claims(nil)
	if err != nil {
		return err
	}
	resolver := new(server.MemAccResolver)
	for _, claims := range all {
		if err := a.store(resolver, claims); err != nil {
			return err
		}
	}
	options.AccountResolver, options.SystemAccount = resolver, operator.SystemAccount
	options.TrustedOperators = []*jwt.OperatorClaims{operator}
	return nil
}

// CountersAccount names the account of the counters among those in which users are revoked.
const CountersAccount = "counters"

// claims returns what the server is told of its operator and of each account, the system's first, and which users it refuses.
func (a Accounts) claims(revoked map[string][]string) (operator *jwt.OperatorClaims, all []*jwt.AccountClaims, err error) {
	system, err := accountClaims(a.System, "SYS")
	if err != nil {
		return nil, nil, err
	}
	system.Limits.Exports = jwt.NoLimit // the server's own services
	log, err := a.log()
	if err != nil {
		return nil, nil, err
	}
	counters, err := a.counters(revoked[CountersAccount])
	if err != nil {
		return nil, nil, err
	}
	all = []*jwt.AccountClaims{system, log, counters}
	for _, s := range a.Services {
		claims, err := a.service(s)
		if err != nil {
			return nil, nil, err
		}
		for _, user := range revoked[s.Name] {
			claims.Revoke(user)
		}
		all = append(all, claims)
	}
	operator, err = a.operator(system.Subject)
	return operator, all, err
}

func (a Accounts) operator(system string) (*jwt.OperatorClaims, error) {
	public, err := a.Operator.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("public key of the NATS operator: %w", err)
	}
	claims := jwt.NewOperatorClaims(public)
	claims.Name, claims.SystemAccount = "shomei", system
	token, err := claims.Encode(a.Operator)
	if err != nil {
		return nil, fmt.Errorf("signing the NATS operator: %w", err)
	}
	return jwt.DecodeOperatorClaims(token)
}

// store signs an account and stores it in the resolver.
func (a Accounts) store(resolver server.AccountResolver, claims *jwt.AccountClaims) error {
	token, err := claims.Encode(a.Operator)
	if err == nil {
		err = resolver.Store(claims.Subject, token)
	}
	if err != nil {
		return fmt.Errorf("signing account %s: %w", claims.Name, err)
	}
	return nil
}

// Revoke revokes users of the counters' account, by their public nkeys, and readmits all others. It takes effect at
// once and survives restarts of the server within this process.
func (s *Server) Revoke(users []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = users
	return s.putOut()
}

// Suspend closes a user's connections to the counters' account, and lets it connect again after d. Until then the other
// end reads "user authentication revoked". Suspensions don't shorten each other.
func (s *Server) Suspend(user string, d time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	until := time.Now().Add(d)
	if s.suspended[user].After(until) {
		return nil
	}
	s.suspended[user] = until
	time.AfterFunc(d, func() { s.resume(user, until) })
	return s.putOut()
}

// resume readmits a user whose suspension has ended and was not prolonged.
func (s *Server) resume(user string, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.suspended[user] != until {
		return
	}
	delete(s.suspended, user)
	if err := s.putOut(); err != nil {
		s.config.Logger.Error("a counter's suspension can't be ended; restart the hub to let it in", "user", user, "error", err)
	}
}

// putOut tells the server who is revoked or suspended; the caller holds mu.
func (s *Server) putOut() error {
	if s.config.Accounts == nil {
		return fmt.Errorf("revoking users of a server without accounts: %w", ErrConfig)
	}
	claims, err := s.config.Accounts.counters(slices.AppendSeq(slices.Clone(s.revoked), maps.Keys(s.suspended)))
	if err != nil {
		return err
	}
	if err := s.config.Accounts.store(s.options.AccountResolver, claims); err != nil {
		return err
	}
	if s.running == nil {
		return nil // it reads the resolver when it restarts
	}
	account, err := s.running.LookupAccount(claims.Subject)
	if err != nil {
		return fmt.Errorf("looking up the account of the counters: %w", err)
	}
	s.running.UpdateAccountClaims(account, claims)
	return nil
}

// Connected reports whether the client with that server-assigned number is still connected.
func (s *Server) Connected(client uint64) bool {
	running := s.NATS()
	return running != nil && running.GetClient(client) != nil
}

// Crowded returns the users of the counters' account, by public nkey, that have more than most connections with one
// JWT, and how many. It returns none while the server restarts.
func (s *Server) Crowded(most int) (map[string]int, error) {
	running := s.NATS()
	if running == nil {
		return nil, nil
	}
	account, err := s.config.Accounts.Counters.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("public key of the account of the counters: %w", err)
	}
	all, err := running.Connz(&server.ConnzOptions{Account: account, Username: true, Limit: 2 * maxConnections})
	if err != nil {
		return nil, fmt.Errorf("counting connections: %w", err)
	}
	byJWT := make(map[string]int) // the other names in the list are chosen by clients
	for _, c := range all.Conns {
		byJWT[c.JWT]++
	}
	crowded := make(map[string]int)
	for token, n := range byJWT {
		if n <= most {
			continue
		}
		claims, err := jwt.DecodeUserClaims(token)
		if err != nil {
			return nil, fmt.Errorf("whose %d connections there are: %w", n, err)
		}
		crowded[claims.Subject] += n
	}
	return crowded, nil
}

// globalAccount is where servers without accounts keep their streams.
const globalAccount = "$G"

// moveStreams moves what a server without accounts has stored to the log's account. Renaming a folder is atomic, so a
// crash leaves it undone or done.
func (c Config) moveStreams() error {
	log, err := c.Accounts.Log.PublicKey()
	if err != nil {
		return fmt.Errorf("public key of the account of the log: %w", err)
	}
	root := filepath.Join(c.StoreDir, "jetstream")
	if err := c.refuseOthers(root, log); err != nil {
		return err
	}
	from, to := filepath.Join(root, globalAccount), filepath.Join(root, log)
	if held, err := holdsStreams(from); err != nil || !held {
		return err
	}
	if held, err := holdsStreams(to); err != nil || held {
		return errors.Join(err, fmt.Errorf("%s and %s both hold streams; keep the one that belongs to this hub and move the other away: %w",
			from, to, ErrConfig))
	}
	if err := os.RemoveAll(to); err != nil { // it holds no stream
		return fmt.Errorf("moving the streams to their account: %w", err)
	}
	if err := durable.Rename(from, to); err != nil {
		return fmt.Errorf("moving the streams to their account: %w", err)
	}
	c.Logger.Info("the streams belong to an account of their own from now on", "account", log)
	return nil
}

// refuseOthers refuses a store whose streams belong to an account whose key is not here: the server would ignore them.
func (c Config) refuseOthers(root, log string) error {
	entries, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for streams: %w", err)
	}
	for _, entry := range entries {
		if name := entry.Name(); nkeys.IsValidPublicAccountKey(name) && name != log {
			held, err := holdsStreams(filepath.Join(root, name))
			if err != nil {
				return err
			}
			if held {
				return fmt.Errorf("%s holds the streams of account %s, and the keys here are those of %s; restore the keys that belong to this store: %w",
					root, name, log, ErrConfig)
			}
		}
	}
	return nil
}

func holdsStreams(account string) (bool, error) {
	entries, err := os.ReadDir(filepath.Join(account, "streams"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("looking for streams: %w", err)
	}
	return len(entries) > 0, nil
}

const (
	api        = "$JS.API."
	pullPrefix = api + "CONSUMER.MSG.NEXT."
)

// ReadStreams lists the subjects that a user needs to read streams, by consumers too, and to change none; "*" is any
// stream.
func ReadStreams(names ...string) []string {
	subjects := []string{api + "INFO", api + "STREAM.NAMES"}
	for _, name := range names {
		subjects = append(subjects, api+"STREAM.INFO."+name, api+"STREAM.MSG.GET."+name, api+"CONSUMER.CREATE."+name+".>",
			api+"CONSUMER.INFO."+name+".*", pullPrefix+name+".*")
	}
	return subjects
}

// GetFromStreams lists the subjects that a user needs to get single messages of streams, without consumers.
func GetFromStreams(names ...string) []string {
	subjects := LookAtStreams(names...)
	for _, name := range names {
		subjects = append(subjects, api+"STREAM.MSG.GET."+name)
	}
	return subjects
}

// LookAtStreams lists the subjects that a user needs to see that streams exist, and to read nothing.
func LookAtStreams(names ...string) (subjects []string) {
	for _, name := range names {
		subjects = append(subjects, api+"STREAM.INFO."+name)
	}
	return subjects
}

// SetUpStreams lists the subjects that a user needs to create and change streams.
func SetUpStreams() []string {
	return []string{api + "INFO", api + "STREAM.NAMES", api + "STREAM.CREATE.*", api + "STREAM.UPDATE.*", api + "STREAM.INFO.*"}
}
