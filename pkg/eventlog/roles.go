package eventlog

import (
	"fmt"
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
	// RoleConsole records who looked at a history on the console's pages.
	RoleConsole Role = "console"
	// RoleRoot enrols and retires the writers, and writes nothing else. No running service holds its key.
	RoleRoot Role = "root"
	// RoleSimulator makes up histories (`shomei-lab simulate`) in place of the ra, the issuer and their followers. Its
	// key is trusted only in a log that is marked simulated.
	RoleSimulator Role = "simulator"
	// RoleHub wrote everything before services had keys of their own. Its key is retired by the first commit of the root.
	RoleHub Role = "hub"
)

// deciders decide about subscribers: whatever they decide may end certificates, cards and applications.
var deciders = []Role{RoleRA, RoleIssuer, RoleExpiry}

// right is who may write an event, and about which kind of aggregate.
type right struct {
	kind  string
	roles []Role
}

// rights lists who may write each event, and about which kind of aggregate. It bounds what a stolen key can do.
var rights = map[string]right{
	"ApplicationAccepted":         {events.KindSubscriber, []Role{RoleRA}},
	"ApplicationRefused":          {events.KindSubscriber, []Role{RoleRA}},
	"InquiryLetterDue":            {events.KindSubscriber, []Role{RoleRA}},
	"InquiryLetterMailed":         {events.KindSubscriber, []Role{RoleNotifier}},
	"ApplicationWithdrawn":        {events.KindSubscriber, deciders},
	"ResidentRecorded":            {events.KindSubscriber, []Role{RoleRA}},
	"ContactRecorded":             {events.KindSubscriber, []Role{RoleRA}},
	"SpecialCircumstancesGranted": {events.KindSubscriber, []Role{RoleRA}},
	"KeysRecorded":                {events.KindSubscriber, []Role{RoleRA}},
	"IssueAuthorized":             {events.KindSubscriber, []Role{RoleRA}},
	"IssueAbandoned":              {events.KindSubscriber, deciders},
	"CertificateIssued":           {events.KindSubscriber, []Role{RoleIssuer}},
	"CertificateWritten":          {events.KindSubscriber, []Role{RoleRA}},
	"CardWriteFailed":             {events.KindSubscriber, []Role{RoleRA}},
	"CertificateDiscarded":        {events.KindSubscriber, deciders},
	"Delivered":                   {events.KindSubscriber, []Role{RoleRA}},
	"FeeCollected":                {events.KindSubscriber, []Role{RoleRA}},
	"CertificateRevoked":          {events.KindSubscriber, deciders},
	"CertificateSuspended":        {events.KindSubscriber, deciders},
	"CertificateReleased":         {events.KindSubscriber, []Role{RoleRA}},
	"CertificateExpired":          {events.KindSubscriber, deciders},
	"WindowOpened":                {events.KindSubscriber, []Role{RoleExpiry}},
	"NoticeDue":                   {events.KindSubscriber, deciders},
	"NoticeSent":                  {events.KindSubscriber, []Role{RoleNotifier}},
	"NoticeFailed":                {events.KindSubscriber, []Role{RoleNotifier}},
	"NoticeSuppressed":            {events.KindSubscriber, []Role{RoleNotifier, RoleRA, RoleIssuer, RoleExpiry}},
	"ResidentRecordChanged":       {events.KindSubscriber, []Role{RoleRA}},
	"DeadlineSet":                 {events.KindSubscriber, []Role{RoleRA, RoleExpiry}},
	"DeadlineMet":                 {events.KindSubscriber, []Role{RoleRA, RoleExpiry}},
	"DeadlineMissed":              {events.KindSubscriber, []Role{RoleRA, RoleExpiry}},
	"LossReported":                {events.KindSubscriber, []Role{RoleRA}},
	"CardFound":                   {events.KindSubscriber, []Role{RoleRA}},
	"CardAssigned":                {events.KindSubscriber, []Role{RoleRA}},
	"CardHandedOver":              {events.KindSubscriber, []Role{RoleRA}},
	"CardVoided":                  {events.KindSubscriber, deciders},
	"CardExpired":                 {events.KindSubscriber, deciders},
	"CardTermExtended":            {events.KindSubscriber, []Role{RoleRA}},
	"CardTakenIntoCustody":        {events.KindSubscriber, []Role{RoleRA}},
	"CardReturned":                {events.KindSubscriber, []Role{RoleRA}},
	"PinBlocked":                  {events.KindSubscriber, []Role{RoleRA}},
	"PinUnblocked":                {events.KindSubscriber, []Role{RoleRA}},
	"FactRefused":                 {events.KindSubscriber, []Role{RoleRA}},
	"KeyDestroyed":                {events.KindSubscriber, []Role{RoleEraser}},
	"CommandFailed":               {events.KindSubscriber, []Role{RoleRA}},
	"SubscriberAliased":           {events.KindSubscriber, []Role{RoleRA}},
	"SubscriberTakenIn":           {events.KindSubscriber, []Role{RoleRA}},
	"TakenInClosed":               {events.KindSubscriber, []Role{RoleRA}},
	"TakenInGivenUp":              {events.KindSubscriber, []Role{RoleRA}},
	"ErasureOrdered":              {events.KindSubscriber, []Role{RoleOperator, RoleRA}},
	"RequestRefused":              {events.KindSubscriber, []Role{RoleRA, RoleOperator}},
	"CardSuspended":               {events.KindSubscriber, deciders},
	"UnblockAuthorized":           {events.KindSubscriber, []Role{RoleRA}},

	"CardClaimed": {events.KindCard, []Role{RoleRA}},
	"CardRetired": {events.KindCard, []Role{RoleDispatcher}},
	"CardOpened":  {events.KindCard, []Role{RoleCards}},

	"OfficeDefined":      {events.KindOffice, []Role{RoleOperator}},
	"CounterEnrolled":    {events.KindOffice, []Role{RoleOperator}},
	"CounterRetired":     {events.KindOffice, []Role{RoleOperator}},
	"CounterHeadAdopted": {events.KindOffice, []Role{RoleOperator, RoleRA}},

	"OfficerEnrolled":     {events.KindOffice, []Role{RoleOperator, RoleRA}},
	"OfficerRetired":      {events.KindOffice, []Role{RoleOperator, RoleRA}},
	"OfficerInvited":      {events.KindOffice, []Role{RoleOperator, RoleRA}},
	"PasskeyEnrolled":     {events.KindOffice, []Role{RoleRA}},
	"PasskeyRetired":      {events.KindOffice, []Role{RoleOperator, RoleRA}},
	"SignaturesRequired":  {events.KindOffice, []Role{RoleOperator, RoleRA}},
	"FourEyesDefined":     {events.KindOffice, []Role{RoleOperator, RoleRA}},
	"PasswordsAllowed":    {events.KindOffice, []Role{RoleOperator, RoleRA}},
	"SignInRefused":       {events.KindOffice, []Role{RoleRA}},
	"OfficerClaimRefused": {events.KindOffice, []Role{RoleRA}},

	"LogOpened":               {events.KindAuthority, []Role{RoleOperator}},
	"GenerationActivated":     {events.KindAuthority, []Role{RoleIssuer}},
	"BlockLeased":             {events.KindAuthority, nil}, // none since serials are random
	"CrlPublished":            {events.KindAuthority, []Role{RoleIssuer}},
	"WriterEnrolled":          {events.KindAuthority, []Role{RoleRoot}},
	"WriterRetired":           {events.KindAuthority, []Role{RoleRoot}},
	"CardKeyMade":             {events.KindAuthority, []Role{RoleCards}},
	"CardKeyOrdered":          {events.KindAuthority, []Role{RoleOperator}},
	"MasterKeyChanged":        {events.KindAuthority, []Role{RoleOperator, RoleEraser}}, // the eraser's is the key of the vault's program
	"ProgramUserRevoked":      {events.KindAuthority, []Role{RoleOperator}},
	"CertificateFound":        {events.KindAuthority, []Role{RoleRA, RoleOperator}},
	"RevocationFound":         {events.KindAuthority, []Role{RoleIssuer, RoleOperator}},
	"FoundCertificateRevoked": {events.KindAuthority, []Role{RoleRA, RoleIssuer, RoleOperator}},
	"FeedReaderEnrolled":      {events.KindAuthority, []Role{RoleOperator}},
	"FeedReaderRetired":       {events.KindAuthority, []Role{RoleOperator}},
	"VaultRecorded":           {events.KindAuthority, []Role{RoleOperator}},

	"RecordOpened":       {events.KindAccess, []Role{RoleRA, RoleOperator, RoleConsole}},
	"DisclosureAsked":    {events.KindAccess, []Role{RoleOperator}},
	"DisclosureReleased": {events.KindAccess, []Role{RoleOperator}},

	"FactQuarantined":    {events.KindQuarantine, []Role{RoleRA}},
	"QuarantineResolved": {events.KindQuarantine, []Role{RoleOperator, RoleRA}},
	"ClaimHeld":          {events.KindQuarantine, []Role{RoleRA}},

	"ApprovalAsked":     {events.KindApproval, []Role{RoleRA}},
	"ApprovalGiven":     {events.KindApproval, []Role{RoleRA}},
	"ApprovalRefused":   {events.KindApproval, []Role{RoleRA}},
	"ApprovalWithdrawn": {events.KindApproval, []Role{RoleRA}},
	"ApprovalLapsed":    {events.KindApproval, []Role{RoleRA}},

	"OrderAsked":      {events.KindApproval, []Role{RoleOperator}},
	"OrderApproved":   {events.KindApproval, []Role{RoleOperator}},
	"OrderRefused":    {events.KindApproval, []Role{RoleOperator}},
	"OrderWithdrawn":  {events.KindApproval, []Role{RoleOperator}},
	"OrderLapsed":     {events.KindApproval, []Role{RoleRA}},
	"OrderCarriedOut": {events.KindApproval, []Role{RoleRA}},
}

// paired lists the events that a key enrolled with pairs may not write, although its role may: two operators order them, and the ra
// carries the order out.
var paired = []string{"ErasureOrdered", "CounterHeadAdopted", "FoundCertificateRevoked"}

// writable is rights by role: the events that each may write, with their kinds of aggregate.
var writable = func() map[Role]map[string]string {
	by := map[Role]map[string]string{RoleHub: {}, RoleSimulator: {}}
	for event, right := range rights {
		for _, role := range right.roles {
			if by[role] == nil {
				by[role] = map[string]string{}
			}
			by[role][event] = right.kind
		}
		if !slices.Contains(right.roles, RoleRoot) {
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

// mayKind reports whether a writer of this role may write anything about this kind of aggregate.
func (r Role) mayKind(kind string) bool {
	for _, k := range writable[r] {
		if k == kind {
			return true
		}
	}
	return false
}

// forbids says why a commit with these events is not this role's to make, or nil. Without events it judges what is known
// before anything is decided.
func (r Role) forbids(kind, id, counter string, list []*events.Event) error {
	switch {
	case !r.mayKind(kind):
		return fmt.Errorf("the role %s may not write %s", r, kind)
	case !r.mayAbout(kind, id):
		return fmt.Errorf("the role %s may not write about %s/%s", r, kind, id)
	case counter != "" && !r.mayNameCounter():
		return fmt.Errorf("the role %s may not answer a counter", r)
	}
	for _, e := range list {
		if name := events.Name(e); writable[r][name] != kind {
			return fmt.Errorf("the role %s may not write %s about %s", r, name, kind)
		}
	}
	return nil
}

// stating lists the roles whose states are believed, by kind of aggregate: those that may write nearly all of its events.
var stating = map[string][]Role{
	events.KindSubscriber: {RoleRA, RoleSimulator, RoleHub},
	events.KindCard:       {RoleRA, RoleSimulator, RoleHub},
	events.KindOffice:     {RoleOperator, RoleHub},
	events.KindAuthority:  {RoleIssuer, RoleRoot, RoleSimulator, RoleHub},
	events.KindQuarantine: {RoleRA, RoleSimulator, RoleHub},
	events.KindAccess:     {RoleRA, RoleHub},
	events.KindApproval:   {RoleRA, RoleHub},
}

// mayState reports whether the state that a commit carries is believed when a writer of this role has signed it. What
// others sign is folded from the history: who may only say that a letter was sent can't say with it what is valid.
func (r Role) mayState(kind string) bool { return slices.Contains(stating[kind], r) }

// mayAbout reports whether a writer of this role may write about one of the aggregates that the log itself rests on: the
// facts about it, and its writers. Of approvals, operators write those with their own orders: an act of an officer waits under the id
// of its claim, which nobody else may take first. Of every other aggregate only the kind matters.
func (r Role) mayAbout(kind, id string) bool {
	if kind == events.KindApproval {
		return r != RoleOperator || strings.HasPrefix(id, events.OrdersPrefix)
	}
	if kind != events.KindAuthority {
		return true
	}
	switch id {
	case events.AuthorityWriters:
		return r == RoleRoot
	case events.AuthorityLog:
		return r == RoleOperator || r == RoleCards || r == RoleEraser || r == RoleSimulator || r == RoleHub
	}
	return r != RoleRoot && r != RoleEraser
}

// mayNameCounter reports whether a writer of this role may say that a commit answers a counter.
func (r Role) mayNameCounter() bool {
	return r == RoleRA || r == RoleCards || r == RoleSimulator || r == RoleHub
}
