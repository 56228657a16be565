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
	// Scoped makes users of the counters' account that may do what Template says, and nothing else whatever their JWT says; nil:
	// there are none. [NameOfUser] in a subject of the template stands for the user's name.
	Scoped   nkeys.KeyPair
	Template Rights
	Services []Service
}

// NameOfUser stands for the name of a user in the subjects of a template.
const NameOfUser = "{{name()}}"

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
	// Outside says that its users are not services but people's or other systems', who can be revoked one by one.
	Outside bool
}

// Service returns the account of a service by its name.
func (a Accounts) Service(name string) (Service, bool) {
	i := slices.IndexFunc(a.Services, func(s Service) bool { return s.Name == name })
	if i < 0 {
		return Service{}, false
	}
	return a.Services[i], true
}

// Revoked lists users that are not let in, by their public nkeys, by the name of their account: [CountersAccount] or that of
// a service.
type Revoked map[string][]string

// CountersAccount is the name of the account of the counters.
const CountersAccount = "counters"

// logAccount is the name of the account of the log.
const logAccount = "log"

// All returns whom each of the accounts refuses, also those that refuse nobody: for a server that is told of all of them.
func (a Accounts) All(revoked Revoked) Revoked {
	all := maps.Clone(revoked)
	for _, name := range append([]string{logAccount, CountersAccount}, a.names()...) {
		all[name] = revoked[name]
	}
	return all
}

func (a Accounts) names() (names []string) {
	for _, s := range a.Services {
		names = append(names, s.Name)
	}
	return names
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

// keyOfUser stands for the public nkey of a user in rights that are made before the user.
const keyOfUser = "{key}"

// Inbox returns the prefix of the inboxes of a user, by its public nkey: nobody else of its account may listen to them.
func Inbox(user string) string { return "_INBOX." + user }

// Personal returns the rights of one person among those who share the account of the service: who listens there hears the
// answers to no other, and answers nobody.
func (s Service) Personal() Rights {
	r := Rights{Publish: slices.Clone(s.Asks), Subscribe: []string{Inbox(keyOfUser) + ".>"}}
	for _, subjects := range s.AsksOf {
		r.Publish = append(r.Publish, subjects...)
	}
	return r
}

// Of returns the rights of the user with this public nkey.
func (r Rights) Of(user string) Rights {
	r.Subscribe = slices.Clone(r.Subscribe)
	for i, subject := range r.Subscribe {
		r.Subscribe[i] = strings.ReplaceAll(subject, keyOfUser, user)
	}
	return r
}

// Rights are what a user may do in its account; everything else is denied, and so is what Deny lists of Publish.
type Rights struct {
	Publish, Subscribe, Deny []string
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
	claims.Pub.Deny.Add(r.Deny...)
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

// SignScoped returns the JWT of a user of the counters' account, known by its public nkey (U…), which may do what the account's
// template says under that name. It is valid until it is revoked, and follows when the template changes.
func (a Accounts) SignScoped(name, user string) (string, error) {
	if !nkeys.IsValidPublicUserKey(user) {
		return "", fmt.Errorf("%.60q is not a public user nkey (U…): %w", user, ErrConfig)
	}
	if name == "" || strings.ContainsAny(name, ".*> \t\r\n{}") {
		return "", fmt.Errorf("%.60q would stand for other names in the template: %w", name, ErrConfig)
	}
	account, err := a.Counters.PublicKey()
	if err != nil {
		return "", fmt.Errorf("public key of the account of the counters: %w", err)
	}
	claims := jwt.NewUserClaims(user)
	claims.Name, claims.IssuerAccount = name, account
	claims.SetScoped(true)
	token, err := claims.Encode(a.Scoped)
	if err != nil {
		return "", fmt.Errorf("signing the rights of %s: %w", name, err)
	}
	return token, nil
}

// scope returns what users whom the scoped key makes may do.
func (a Accounts) scope() (*jwt.UserScope, error) {
	public, err := a.Scoped.PublicKey()
	if err != nil {
		return nil, fmt.Errorf("public key that makes counters' users: %w", err)
	}
	scope := jwt.NewUserScope()
	scope.Key, scope.Role = public, CountersAccount
	scope.Template.Pub, scope.Template.Sub = only(a.Template.Publish), only(a.Template.Subscribe)
	scope.Template.Limits.Payload, scope.Template.Limits.Subs = a.Template.MaxPayload, a.Template.MaxSubscriptions
	return scope, nil
}

// only allows the given subjects; without any it denies all, because the server reads an empty list as everything.
func only(subjects []string) jwt.Permission {
	if len(subjects) == 0 {
		return jwt.Permission{Deny: jwt.StringList{">"}}
	}
	return jwt.Permission{Allow: subjects}
}

// maxConnections bounds each account of users from outside: a prefecture's counters, each with a few connections.
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

// service returns the claims of a service's account, and whom it refuses.
func (a Accounts) service(s Service, revoked []string) (*jwt.AccountClaims, error) {
	claims, err := accountClaims(s.Key, strings.ToUpper(s.Name))
	if err != nil {
		return nil, err
	}
	revoke(claims, revoked)
	if s.Outside {
		claims.Limits.Conn = maxConnections
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
	if err != nil {
		return nil, err
	}
	claims.Limits.Conn = maxConnections
	revoke(claims, revoked)
	if a.Scoped == nil {
		return claims, nil
	}
	scope, err := a.scope()
	if err == nil {
		claims.SigningKeys.AddScopedSigner(scope)
	}
	return claims, err
}

func revoke(claims *jwt.AccountClaims, users []string) {
	for _, user := range users {
		claims.Revoke(user)
	}
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

// claims returns what the server is told of its operator and of each account, and whom each account refuses.
func (a Accounts) claims(revoked Revoked) (operator *jwt.OperatorClaims, all []*jwt.AccountClaims, err error) {
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
		claims, err := a.service(s, revoked[s.Name])
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

// Revoke revokes users of the accounts that are named, and readmits all others of them. It takes effect at once and survives
// restarts of the server within this process.
func (s *Server) Revoke(revoked Revoked) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(revoked)) {
		if told, ok := s.revoked[name]; ok && slices.Equal(told, revoked[name]) {
			continue // telling the server would set up its imports anew, and lose answers that are on their way
		}
		before, known := s.revoked[name]
		s.revoked[name] = revoked[name]
		if err := s.putOut(name); err != nil {
			if s.revoked[name] = before; !known {
				delete(s.revoked, name)
			}
			return err
		}
	}
	return nil
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
	return s.putOut(CountersAccount)
}

// resume readmits a user whose suspension has ended and was not prolonged.
func (s *Server) resume(user string, until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.suspended[user] != until {
		return
	}
	delete(s.suspended, user)
	if err := s.putOut(CountersAccount); err != nil {
		s.config.Logger.Error("a counter's suspension can't be ended; restart the hub to let it in", "user", user, "error", err)
	}
}

// named returns the claims of the account of that name, with whom it refuses.
func (a Accounts) named(name string, revoked []string) (*jwt.AccountClaims, error) {
	switch name {
	case CountersAccount:
		return a.counters(revoked)
	case logAccount:
		return a.log()
	}
	service, ok := a.Service(name)
	if !ok {
		return nil, fmt.Errorf("no account is named %s: %w", name, ErrConfig)
	}
	return a.service(service, revoked)
}

// putOut tells the server who of an account is revoked or suspended; the caller holds mu.
func (s *Server) putOut(name string) error {
	if s.config.Accounts == nil {
		return fmt.Errorf("revoking users of a server without accounts: %w", ErrConfig)
	}
	users := slices.Clone(s.revoked[name])
	if name == CountersAccount {
		users = slices.AppendSeq(users, maps.Keys(s.suspended))
	}
	claims, err := s.config.Accounts.named(name, users)
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
		return fmt.Errorf("looking up the account %s: %w", name, err)
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
	return crowded(all.Conns, most)
}

// crowded returns the users that have more than most of these connections with one JWT, and how many.
func crowded(all []*server.ConnInfo, most int) (map[string]int, error) {
	byJWT := make(map[string]int) // the other names in the list are chosen by clients
	for _, c := range all {
		byJWT[c.JWT]++
	}
	users := make(map[string]int)
	for token, n := range byJWT {
		if n <= most {
			continue
		}
		claims, err := jwt.DecodeUserClaims(token)
		if err != nil {
			return nil, fmt.Errorf("whose %d connections there are: %w", n, err)
		}
		users[claims.Subject] += n
	}
	return users, nil
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
