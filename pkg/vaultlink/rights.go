package vaultlink

import (
	"fmt"
	"slices"

	"shomei/pkg/eventlog"
	"shomei/pkg/vault"
)

// Verb is what a service has the vault do; the last token of its subject.
type Verb string

// The verbs of the wire. Keys are erased in the vault's own process only.
const (
	Seal  Verb = "seal"
	Open  Verb = "open"
	Renew Verb = "renew"
	// Look tells whether the vault holds a key.
	Look Verb = "look"
	// Find tells who has a name and a date of birth. The index is filled in the vault's own process only.
	Find Verb = "find"
)

var verbs = []Verb{Seal, Open, Renew, Look, Find}

// Right lists the record classes with which the vault does something for a role.
type Right struct {
	Role    eventlog.Role
	Verb    Verb
	Classes []string
}

// rights bounds what a stolen key opens. A role that isn't here gets nothing.
var rights = []Right{
	// The ra records people, their bytes to be signed, and claims that it puts aside. It compares a person's record,
	// certifies from it, checks a smartphone's application by the card's certificate, and decides claims that were held once two
	// operators release them. It reads no contact.
	{eventlog.RoleRA, Seal, []string{vault.Identity, vault.Certificate, vault.Contact, vault.Operations}},
	{eventlog.RoleRA, Open, []string{vault.Identity, vault.Certificate, vault.Operations}},
	{eventlog.RoleRA, Renew, []string{vault.Identity, vault.Certificate, vault.Contact}},
	// It finds persons for the counters.
	{eventlog.RoleRA, Find, []string{vault.Identity}},
	// The issuer opens the bytes to be signed and seals what it signed.
	{eventlog.RoleIssuer, Seal, []string{vault.Certificate}},
	{eventlog.RoleIssuer, Open, []string{vault.Certificate}},
	// The dispatcher sends certificates to counters, and names a claim in quarantine by the id in it.
	{eventlog.RoleDispatcher, Open, []string{vault.Certificate, vault.Operations}},
	// The notifier writes to the contact and, letters of inquiry, to the registered address.
	{eventlog.RoleNotifier, Open, []string{vault.Identity, vault.Contact}},
	// Officers say why they order something.
	{eventlog.RoleOperator, Seal, []string{vault.Operations}},
	// An operator has what is sealed opened once another operator has approved it (ServerConfig.Disclosed).
	{eventlog.RoleOperator, Open, []string{vault.Identity, vault.Certificate, vault.Contact, vault.Operations}},
	// Fsck holds the log against the vault.
	{eventlog.RoleOperator, Look, []string{vault.Identity, vault.Certificate, vault.Contact, vault.Operations}},
}

// Rights returns what the vault does for each role.
func Rights() []Right {
	all := slices.Clone(rights)
	for i := range all {
		all[i].Classes = slices.Clone(all[i].Classes)
	}
	return all
}

// forbids returns why the vault doesn't do something for a role, or nil.
func forbids(role eventlog.Role, verb Verb, class string) error {
	for _, r := range rights {
		if r.Role == role && r.Verb == verb && slices.Contains(r.Classes, class) {
			return nil
		}
	}
	return fmt.Errorf("the role %s may not %s %.40q", role, verb, class)
}
