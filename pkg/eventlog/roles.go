package eventlog

import (
	"slices"

	"shomei/events"
)

// Role is what a writer is trusted with.
type Role string

// The roles of writers. RoleHub is the one process that is all services together.
const (
	RoleHub        Role = "hub"
	RoleRA         Role = "ra"
	RoleIssuer     Role = "issuer"
	RoleDispatcher Role = "dispatcher"
	RoleExpiry     Role = "expiry"
	RoleNotifier   Role = "notifier"
	RoleValidation Role = "validation"
	RoleConsole    Role = "console"
	RoleOperator   Role = "operator"
	// RoleSimulator makes up histories (`shomei-lab simulate`): it stands for the ra, the issuer and their followers at once. Its
	// key is trusted in a log that is marked simulated, and nowhere else.
	RoleSimulator Role = "simulator"
)

// kindsOfRole is who may write which kind of aggregate. A key that leaks is worth no more than its row.
var kindsOfRole = map[Role][]string{
	RoleHub:      events.Kinds,
	RoleOperator: events.Kinds,
	RoleRA: {
		events.KindSubscriber, events.KindCard, events.KindOffice, events.KindAuthority,
		events.KindQuarantine, events.KindAccess,
	},
	RoleIssuer:     {events.KindSubscriber, events.KindAuthority},
	RoleDispatcher: {events.KindSubscriber, events.KindCard},
	RoleExpiry:     {events.KindSubscriber, events.KindCard, events.KindOffice},
	RoleNotifier:   {events.KindSubscriber},
	RoleValidation: {events.KindAuthority},
	RoleConsole:    {events.KindAccess, events.KindQuarantine},
	RoleSimulator:  {events.KindSubscriber, events.KindCard, events.KindAuthority, events.KindQuarantine},
}

// MayAuthorize reports whether certificates that a writer of this role has authorised are signed.
func (r Role) MayAuthorize() bool { return r == RoleRA || r == RoleHub || r == RoleSimulator }

// MayWrite reports whether commits of this kind are believed from a writer of this role.
func (r Role) MayWrite(kind string) bool { return slices.Contains(kindsOfRole[r], kind) }
