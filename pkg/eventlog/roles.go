package eventlog

import (
	"maps"
	"slices"
	"strings"

	"shomei/events"
)

// Role says what a writer is trusted to write.
type Role string

// Roles of writers: one for each service that writes, and those of people and tools.
const (
	RoleRA         Role = "ra"
	RoleIssuer     Role = "issuer"
	RoleDispatcher Role = "dispatcher"
	RoleExpiry     Role = "expiry"
	RoleNotifier   Role = "notifier"
	RoleEraser     Role = "eraser"
	RoleCards      Role = "cards"
	// RoleOperator acts for officers who run the centre.
	RoleOperator Role = "operator"
	// RoleRoot enrols and retires the writers, and writes nothing else. No running service holds its key.
	RoleRoot Role = "root"
	// RoleSimulator makes up histories (`shomei-lab simulate`) in place of the ra, the issuer and their followers. Its
	// key is trusted only in a log that is marked simulated.
	RoleSimulator Role = "simulator"
	// RoleHub wrote everything before services had keys of their own. Its key is retired by the first commit of the root.
	RoleHub Role = "hub"
)

// deciders decide about subscribers: whatever they decide may end certificates, cards and applications.
const deciders = "ra issuer expiry"

// rights lists who may write each event, and about which kind of aggregate. It bounds what a stolen key can do.
var rights = map[string]struct{ kind, roles string }{
	"ApplicationAccepted":         {events.KindSubscriber, "ra"},
	"ApplicationRefused":          {events.KindSubscriber, "ra"},
	"InquiryLetterDue":            {events.KindSubscriber, "ra"},
	"InquiryLetterMailed":         {events.KindSubscriber, "notifier"},
	"ApplicationWithdrawn":        {events.KindSubscriber, deciders},
	"ResidentRecorded":            {events.KindSubscriber, "ra"},
	"ContactRecorded":             {events.KindSubscriber, "ra"},
	"SpecialCircumstancesGranted": {events.KindSubscriber, "ra"},
	"KeysRecorded":                {events.KindSubscriber, "ra"},
	"IssueAuthorized":             {events.KindSubscriber, "ra"},
	"IssueAbandoned":              {events.KindSubscriber, deciders},
	"CertificateIssued":           {events.KindSubscriber, "issuer"},
	"CertificateWritten":          {events.KindSubscriber, "ra"},
	"CardWriteFailed":             {events.KindSubscriber, "ra"},
	"CertificateDiscarded":        {events.KindSubscriber, deciders},
	"Delivered":                   {events.KindSubscriber, "ra"},
	"FeeCollected":                {events.KindSubscriber, "ra"},
	"CertificateRevoked":          {events.KindSubscriber, deciders},
	"CertificateSuspended":        {events.KindSubscriber, deciders},
	"CertificateReleased":         {events.KindSubscriber, "ra"},
	"CertificateExpired":          {events.KindSubscriber, deciders},
	"WindowOpened":                {events.KindSubscriber, "expiry"},
	"NoticeDue":                   {events.KindSubscriber, deciders},
	"NoticeSent":                  {events.KindSubscriber, "notifier"},
	"NoticeFailed":                {events.KindSubscriber, "notifier"},
	"NoticeSuppressed":            {events.KindSubscriber, "notifier " + deciders},
	"ResidentRecordChanged":       {events.KindSubscriber, "ra"},
	"DeadlineSet":                 {events.KindSubscriber, "ra expiry"},
	"DeadlineMet":                 {events.KindSubscriber, "ra expiry"},
	"DeadlineMissed":              {events.KindSubscriber, "ra expiry"},
	"LossReported":                {events.KindSubscriber, "ra"},
	"CardFound":                   {events.KindSubscriber, "ra"},
	"CardAssigned":                {events.KindSubscriber, "ra"},
	"CardHandedOver":              {events.KindSubscriber, "ra"},
	"CardVoided":                  {events.KindSubscriber, deciders},
	"CardExpired":                 {events.KindSubscriber, deciders},
	"CardTermExtended":            {events.KindSubscriber, "ra"},
	"CardTakenIntoCustody":        {events.KindSubscriber, "ra"},
	"CardReturned":                {events.KindSubscriber, "ra"},
	"PinBlocked":                  {events.KindSubscriber, "ra"},
	"PinUnblocked":                {events.KindSubscriber, "ra"},
	"FactRefused":                 {events.KindSubscriber, "ra"},
	"KeyDestroyed":                {events.KindSubscriber, "eraser"},
	"CommandFailed":               {events.KindSubscriber, "ra"},
	"SubscriberAliased":           {events.KindSubscriber, "ra"},
	"ErasureOrdered":              {events.KindSubscriber, "operator"},
	"RequestRefused":              {events.KindSubscriber, "ra operator"},
	"CardSuspended":               {events.KindSubscriber, deciders},
	"UnblockAuthorized":           {events.KindSubscriber, "ra"},

	"CardClaimed": {events.KindCard, "ra"},
	"CardRetired": {events.KindCard, "dispatcher"},
	"CardOpened":  {events.KindCard, "cards"},

	"OfficeDefined":      {events.KindOffice, "operator"},
	"CounterEnrolled":    {events.KindOffice, "operator"},
	"CounterRetired":     {events.KindOffice, "operator"},
	"CounterHeadAdopted": {events.KindOffice, "operator"},

	"LogOpened":               {events.KindAuthority, "operator"},
	"GenerationActivated":     {events.KindAuthority, "issuer"},
	"BlockLeased":             {events.KindAuthority, ""}, // none since serials are random
	"CrlPublished":            {events.KindAuthority, "issuer"},
	"WriterEnrolled":          {events.KindAuthority, "root"},
	"WriterRetired":           {events.KindAuthority, "root"},
	"CardKeyMade":             {events.KindAuthority, "cards"},
	"CertificateFound":        {events.KindAuthority, "ra operator"},
	"RevocationFound":         {events.KindAuthority, "issuer operator"},
	"FoundCertificateRevoked": {events.KindAuthority, "ra issuer operator"},
	"VaultRecorded":           {events.KindAuthority, "operator"},

	"RecordOpened": {events.KindAccess, "ra"},

	"FactQuarantined":    {events.KindQuarantine, "ra"},
	"QuarantineResolved": {events.KindQuarantine, "operator"},
	"ClaimHeld":          {events.KindQuarantine, "ra"},
}

// writable is rights by role: the events that each may write, with their kinds of aggregate.
var writable = func() map[Role]map[string]string {
	by := map[Role]map[string]string{RoleHub: {}, RoleSimulator: {}}
	for event, right := range rights {
		for _, role := range strings.Fields(right.roles) {
			if by[Role(role)] == nil {
				by[Role(role)] = map[string]string{}
			}
			by[Role(role)][event] = right.kind
		}
		if right.roles != "root" {
			by[RoleHub][event] = right.kind
		}
		if right.kind == events.KindSubscriber || right.kind == events.KindCard {
			by[RoleSimulator][event] = right.kind
		}
	}
	// What an ra, an issuer and a lane of a simulation do besides.
	for _, event := range []string{"FactQuarantined", "ClaimHeld", "CertificateFound", "CrlPublished", "GenerationActivated"} {
		by[RoleSimulator][event] = rights[event].kind
	}
	return by
}()

// Roles lists all roles.
func Roles() []Role { return slices.Sorted(maps.Keys(writable)) }

// Writable returns the events that a writer of this role may write, with their kinds of aggregate.
func (r Role) Writable() map[string]string { return maps.Clone(writable[r]) }

// MayAuthorize reports whether a writer of this role may authorise certificates.
func (r Role) MayAuthorize() bool { return writable[r]["IssueAuthorized"] != "" }

// MayWriteKind reports whether a writer of this role may write anything about this kind of aggregate.
func (r Role) MayWriteKind(kind string) bool {
	for _, k := range writable[r] {
		if k == kind {
			return true
		}
	}
	return false
}

// forbidden returns the first event of a commit that a writer of this role may not write about a kind of aggregate, or
// "" if it may write them all.
func (r Role) forbidden(kind string, list []*events.Event) string {
	for _, e := range list {
		if name := events.Name(e); writable[r][name] != kind {
			return name
		}
	}
	return ""
}

// stating lists the roles whose states are believed, by kind of aggregate: those that may write nearly all of its events.
var stating = map[string][]Role{
	events.KindSubscriber: {RoleRA, RoleSimulator, RoleHub},
	events.KindCard:       {RoleRA, RoleSimulator, RoleHub},
	events.KindOffice:     {RoleOperator, RoleHub},
	events.KindAuthority:  {RoleIssuer, RoleOperator, RoleRoot, RoleSimulator, RoleHub},
	events.KindQuarantine: {RoleRA, RoleSimulator, RoleHub},
	events.KindAccess:     {RoleRA, RoleHub},
}

// mayState reports whether the state that a commit carries is believed when a writer of this role has signed it. What
// others sign is folded from the history: who may only say that a letter was sent can't say with it what is valid.
func (r Role) mayState(kind string) bool { return slices.Contains(stating[kind], r) }

// mayAbout reports whether a writer of this role may write about one of the aggregates that the log itself rests on: the
// facts about it, and its writers. Of every other aggregate only the kind matters.
func (r Role) mayAbout(kind, id string) bool {
	if kind != events.KindAuthority {
		return true
	}
	switch id {
	case events.AuthorityWriters:
		return r == RoleRoot
	case events.AuthorityLog:
		return r == RoleOperator || r == RoleCards || r == RoleSimulator || r == RoleHub
	}
	return r != RoleRoot
}

// mayNameCounter reports whether a writer of this role may say that a commit answers a counter.
func (r Role) mayNameCounter() bool {
	return r == RoleRA || r == RoleCards || r == RoleSimulator || r == RoleHub
}
