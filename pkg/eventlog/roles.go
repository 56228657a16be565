package eventlog

import (
	"slices"

	"shomei/events"
)

// Role says what a writer is trusted to write.
type Role string

// Roles of writers. RoleHub is the one process that runs all services together.
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
	// RoleSimulator makes up histories (`shomei-lab simulate`) in place of the ra, the issuer and their followers. Its
	// key is trusted only in a log that is marked simulated.
	RoleSimulator Role = "simulator"
)

// writableKinds lists the aggregates each role may write, which bounds what a leaked key can do.
var writableKinds = map[Role][]string{
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

// MayAuthorize reports whether a writer of this role may authorise certificates.
func (r Role) MayAuthorize() bool { return r == RoleRA || r == RoleHub || r == RoleSimulator }

// MayWrite reports whether a writer of this role may write this kind.
func (r Role) MayWrite(kind string) bool { return slices.Contains(writableKinds[r], kind) }
