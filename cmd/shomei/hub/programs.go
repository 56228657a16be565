package hub

import (
	"maps"
	"slices"
	"strings"

	"shomei/pkg/counterlink"
	"shomei/pkg/eventlog"
	"shomei/pkg/hubserver"
	"shomei/pkg/published"
	"shomei/pkg/registerlink"
	"shomei/pkg/vaultlink"
	"shomei/services/ra"
)

// program is a service that runs as a program of its own, with an account of NATS and a folder of its own.
type program struct {
	name string
	// words says what it does, in both languages.
	words string
	// rows are those of the table that it runs, roles those that it writes the log as, follows the names of its followers
	// besides that of its directory.
	rows    []string
	roles   []eventlog.Role
	follows []string
	// secrets are the files and folders below keys/ that it has besides its roles' keys.
	secrets []string
	// holds are further folders that are its own from the time of one process.
	holds []string
	// wire lists what it asks of the streams of the counters' link, answers and asks what it says to other programs, besides
	// what its roles ask the vault.
	wire    []string
	answers []string
	asks    map[string][]string
	// people: those who have the account are clients, and follow nothing.
	people bool
}

// gatewayProgram is the program of the gateway for registers.
const gatewayProgram = "register"

// programs lists the services that can be programs of their own. Together they run every row of the table, each once,
// but for the directory, which each program has for itself.
var programs = []program{
	{
		name: "ra", words: "登録局: 窓口の申請を受けて決める (takes claims in, decides them, keeps the counters' link and opens their cards)",
		rows: []string{"ra", "cards", "links", "directory"}, roles: []eventlog.Role{eventlog.RoleRA, eventlog.RoleCards}, follows: []string{ra.Joiner},
		secrets: []string{"hub.nk", "seal.key", "subscriber-ids.key", "cards.key", gateFile, "engine.password"},
		wire:    slices.Concat(hubserver.ReadStreams(counterlink.Streams()...), counterlink.HubMayPublish()), answers: []string{seenSubject, headsSubject, issuedSubject, consoleSubject},
		asks: map[string][]string{"operator": {suspendSubject, crowdedSubject}},
	},
	{
		name: "issuer", words: "発行局: 認可されたものに署名し、失効リストを出す (signs what the log has authorised, publishes revocation lists)",
		rows: []string{"issuer", "ceremonies", "ready", "directory"}, roles: []eventlog.Role{eventlog.RoleIssuer}, follows: []string{"issuer"},
		secrets: []string{"ca"}, holds: []string{"crl", "crl.json"}, wire: published.WriterMayPublish(), answers: []string{readySubject},
	},
	{
		name: "validation", words: "失効リストと認証局の証明書を渡す (serves revocation lists and the authorities' certificates over HTTP)",
		rows: []string{"validation", "directory"}, holds: []string{"validation"}, wire: published.ReaderMayPublish(),
	},
	{
		name: "dispatcher", words: "窓口へ回答と指示を送る (sends answers and commands to the counters)",
		rows: []string{"dispatcher", "directory"}, roles: []eventlog.Role{eventlog.RoleDispatcher}, follows: []string{"dispatcher"},
		secrets: []string{"hub.nk"},
		wire:    append(hubserver.LookAtStreams(counterlink.Streams()...), counterlink.SenderMayPublish()...),
		asks:    map[string][]string{"issuer": {readySubject}},
	},
	{
		name: "expiry", words: "日が来たことを記録する (records what dates bring: expiries, windows, deadlines)",
		rows: []string{"expiry"}, roles: []eventlog.Role{eventlog.RoleExpiry}, secrets: []string{"engine.password"},
	},
	{
		name: "notifier", words: "お知らせを送る (mails notices, has letters printed)",
		rows: []string{"notifier", "directory"}, roles: []eventlog.Role{eventlog.RoleNotifier}, follows: []string{"notifier"},
	},
	{
		name: "projector", words: "表を作る (makes the tables, and runs the ClickHouse engine)",
		rows: []string{"projector"}, follows: []string{"projector"}, secrets: []string{"engine.password"},
	},
	{
		name: "vault", words: "個人情報の鍵を守る (keeps the keys of persons, seals and opens for the others, destroys what is erased)",
		rows: []string{"vault", "eraser"}, roles: []eventlog.Role{eventlog.RoleEraser}, follows: []string{"vault", "eraser", "index"},
		secrets: []string{"master.key", "vault.key"}, holds: []string{"vault"}, answers: vaultlink.ServerMaySubscribe(),
	},
	{
		name: "console", words: "集計の画面を出す (analysts' pages)",
		rows: []string{"console", "directory"}, roles: []eventlog.Role{eventlog.RoleConsole}, secrets: []string{"engine.password", sealPublic},
		asks: map[string][]string{"ra": {consoleSubject}},
	},
	{
		name: gatewayProgram, words: "住民基本台帳からの通知を受ける (takes what municipalities' resident registers notify, and makes claims of it)",
		rows: []string{"register", "directory"}, secrets: []string{gatewayKey, gatewaySealKey, "subscriber-ids.key", sealPublic},
		wire:    append(hubserver.GetFromStreams(counterlink.ClaimStream, counterlink.HeadStream), counterlink.SourceMayPublish()...),
		answers: registerlink.ServerMaySubscribe(),
	},
	{
		name: "operator", words: "NATS の利用者を認める (makes the users of counters and operators at NATS; its folder has the keys for it)",
		rows: []string{"permits", "directory"}, roles: []eventlog.Role{eventlog.RoleOperator}, secrets: []string{"engine.password"},
		answers: []string{clockSubject, permitSubject, readerSubject, gapsSubject, remainsSubject, suspendSubject, crowdedSubject},
	},
}

// operators are the people who run the centre, from anywhere: their commands have an account, and are no program. The centre
// believes what they write by the role of their keys.
var operators = program{
	name: "operators", roles: []eventlog.Role{eventlog.RoleOperator}, people: true,
	wire: append(hubserver.GetFromStreams(counterlink.ClaimStream, counterlink.HeadStream), counterlink.SourceMayPublish()...),
	asks: map[string][]string{"operator": {clockSubject, permitSubject, readerSubject, gapsSubject, remainsSubject}, "ra": {seenSubject, headsSubject, issuedSubject}},
}

// accountHolders lists everybody who has an account of its own in a centre of several programs.
func accountHolders() []program { return append(slices.Clone(programs), operators) }

// directory names the follower that keeps the program's directory.
func (g program) directory() string { return "directory-" + g.name }

// service returns the account of a program in a centre whose log has this many streams.
func (g program) service(streams int) hubserver.Service {
	asks := slices.Concat(hubserver.ReadStreams(eventlog.Streams(streams)...), eventlog.FollowerMayPublish(g.followers()...), g.wire)
	of := maps.Clone(g.asks)
	for _, role := range g.roles {
		asks = append(asks, role.MayPublish()...)
		if may := vaultlink.ClientMayPublish(role); len(may) > 0 {
			if of == nil {
				of = make(map[string][]string)
			}
			of["vault"] = append(of["vault"], may...)
		}
	}
	slices.Sort(asks)
	return hubserver.Service{Name: g.name, Asks: slices.Compact(asks), Answers: g.answers, AsksOf: of}
}

// watcher names the follower that keeps what the program knows of writers and counters.
func (g program) watcher() string { return "watch-" + g.name }

// followers names all its followers.
func (g program) followers() []string {
	if g.people {
		return nil
	}
	return append([]string{g.directory(), g.watcher()}, g.follows...)
}

// watcher names the follower that keeps what this process knows of writers and counters.
func (p *Parts) watcher() string {
	if p.program == nil {
		return "watch"
	}
	return p.program.watcher()
}

// answered lists what programs answer to those who have the account, but for the vault.
func (g program) answered() []string { return slices.Concat(slices.Collect(maps.Values(g.asks))...) }

// inOneProcess returns the account of the operators in a centre that is one process, which answers all they ask.
func (g program) inOneProcess() hubserver.Service {
	service := g.service(1)
	service.AsksOf = map[string][]string{hubAccount: slices.Concat(slices.Collect(maps.Values(service.AsksOf))...)}
	return service
}

// runs reports whether the program runs a row, has whether it has a secret; without a program there is neither.
func (g *program) runs(row string) bool { return g != nil && slices.Contains(g.rows, row) }

func (g *program) has(secret string) bool { return g != nil && slices.Contains(g.secrets, secret) }

func programNamed(name string) *program {
	for i := range programs {
		if programs[i].name == name {
			return &programs[i]
		}
	}
	return nil
}

// ProgramRights is what the account of a program may do at the NATS server of the centre.
type ProgramRights struct {
	Program string
	Roles   []eventlog.Role
	// Stores lists the subjects of streams that it may add to, Reads the streams that it may read, Asks the subjects on which
	// other programs answer it, Answers those on which it does.
	Stores, Reads, Asks, Answers []string
}

// RightsOfPrograms returns the rights of all programs, in a centre whose log has one stream.
func RightsOfPrograms() (all []ProgramRights) {
	for _, g := range accountHolders() {
		r := ProgramRights{Program: g.name, Roles: g.roles, Answers: g.answers}
		account := g.service(1)
		for _, subject := range account.Asks {
			name, reads := strings.CutPrefix(subject, "$JS.API.STREAM.MSG.GET.")
			switch {
			case reads:
				r.Reads = append(r.Reads, name)
			case !strings.HasPrefix(subject, "$J"):
				r.Stores = append(r.Stores, subject)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(account.AsksOf)) {
			r.Asks = append(r.Asks, account.AsksOf[name]...)
		}
		all = append(all, r)
	}
	return all
}

// Programs lists the names of the services that can be programs of their own, and what each does.
func Programs() (names, words []string) {
	for _, g := range programs {
		names, words = append(names, g.name), append(words, g.words)
	}
	return names, words
}
