package vaultlink

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"shomei/events"
	"shomei/pkg/eventlog"
	"shomei/pkg/vault"
)

// mayDo is what each role does today, written down once more.
var mayDo = strings.Fields(`
	ra/seal/identity ra/seal/certificate ra/seal/contact ra/seal/operations
	ra/open/identity ra/open/certificate ra/open/operations
	ra/renew/identity ra/renew/certificate ra/renew/contact
	ra/find/identity
	issuer/seal/certificate issuer/open/certificate
	dispatcher/open/certificate dispatcher/open/operations
	notifier/open/identity notifier/open/contact
	operator/seal/operations
	operator/open/identity operator/open/certificate operator/open/contact operator/open/operations
	operator/look/identity operator/look/certificate operator/look/contact operator/look/operations
`)

var classes = append([]string{vault.Operations}, vault.Classes...)

// TestEachRoleDoesWhatItsRightsSayAndNothingElse tries every role, verb and class, and looks at the vault itself for what
// has become of it.
func TestEachRoleDoesWhatItsRightsSayAndNothingElse(t *testing.T) {
	c := newCentre(t)
	c.start()
	for _, role := range append(eventlog.Roles(), "a role of next year") {
		client := c.client(c.enrol(role))
		for _, verb := range verbs {
			for _, class := range classes {
				if verb == Find && class != vault.Identity {
					continue // it is of no other class
				}
				cell := fmt.Sprintf("%s/%s/%s", role, verb, class)
				t.Run(cell, func(t *testing.T) {
					may := slices.Contains(mayDo, cell)
					id := strings.NewReplacer("/", "-", " ", "-").Replace(cell)
					err := tryCell[verb](t, c, client, id, class, may)
					if may && err != nil || !may && !errors.Is(err, ErrRefused) {
						t.Errorf("got %v", err)
					}
					if want := fmt.Sprintf("the role %s may not %s %q", role, verb, class); !may && !strings.Contains(fmt.Sprint(err), want) {
						t.Errorf("the refusal does not say what and why: %v", err)
					}
					outcome := map[bool]string{true: "done", false: "refused"}[may]
					if n := testutil.ToFloat64(c.server.requests.WithLabelValues(string(verb), string(role), class, outcome)); n != 1 {
						t.Errorf("counted %v times as %s", n, outcome)
					}
				})
			}
		}
	}
}

// tryCell has the client do one thing, checks in the vault whether it was done, and returns the client's error.
var tryCell = map[Verb]func(t *testing.T, c *centre, client *Client, id, class string, may bool) error{
	Seal: func(t *testing.T, c *centre, client *Client, id, class string, may bool) error {
		sealed, err := client.Seal(id, class, placeOf(id), []byte(text))
		if !may {
			c.untouched(id)
		} else if got, err := c.vault.Open(id, placeOf(id), sealed); err != nil || string(got) != text {
			t.Errorf("what was sealed opens as %q, %v", got, err)
		}
		return err
	},
	Open: func(t *testing.T, c *centre, client *Client, id, class string, may bool) error {
		sealed := c.sealed(id, class)
		got, err := client.Open(id, placeOf(id), sealed)
		if (string(got) == text) != may || !may && len(got) > 0 {
			t.Errorf("opened %q", got)
		}
		return err
	},
	Look: func(t *testing.T, c *centre, client *Client, id, class string, may bool) error {
		held := vault.Key{Person: id, Class: class, Version: 1}
		missing, err := client.Status(held)
		if may && (err != nil || missing != vault.Missing) {
			t.Errorf("before it was made: %s, %v", missing, err)
		}
		if !may {
			return err
		}
		c.sealed(id, class)
		there, err1 := client.Status(held)
		check(t, c.vault.Erase(id, class))
		erased, err2 := client.Status(held)
		if there != vault.Held || erased != vault.Erased {
			t.Errorf("%s and, erased, %s", there, erased)
		}
		return errors.Join(err1, err2)
	},
	Find: func(t *testing.T, c *centre, client *Client, id, class string, may bool) error {
		c.sealed(id, class)
		check(t, c.vault.Index(vault.Identified{Person: id, Version: 1, Names: []string{id}, BirthDate: "1980-06-18"}))
		c.vault.Searchable()
		found, err := client.Find(id, "1980-06-18")
		if slices.Contains(found, id) != may || !may && len(found) > 0 {
			t.Errorf("found %q", found)
		}
		return err
	},
	Renew: func(t *testing.T, c *centre, client *Client, id, class string, may bool) error {
		c.sealed(id, class)
		check(t, c.vault.Erase(id, class))
		err := client.Renew(id, class)
		_, after := c.vault.Seal(id, class, placeOf(id), nil)
		if may && after != nil || !may && !errors.Is(after, vault.ErrErased) {
			t.Errorf("sealing after it: %v", after)
		}
		return err
	},
}

// sealed has the vault seal the text, without asking its service.
func (c *centre) sealed(id, class string) *events.Sealed {
	c.t.Helper()
	s, err := c.vault.Seal(id, class, placeOf(id), []byte(text))
	check(c.t, err)
	return s
}

// TestAnOperatorOpensOnlyWhatIsDisclosed: the role alone opens nothing.
func TestAnOperatorOpensOnlyWhatIsDisclosed(t *testing.T) {
	c := newCentre(t)
	c.start()
	client := c.client(c.enrol(eventlog.RoleOperator))
	c.withheld = errors.New("another officer has not released the disclosure")
	sealed := c.sealed("person", vault.Identity)
	if got, err := client.Open("person", placeOf("person"), sealed); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "has not released") {
		t.Errorf("opened %q, %v", got, err)
	}
	c.withheld = nil
	if got, err := client.Open("person", placeOf("person"), sealed); string(got) != text {
		t.Errorf("opened %q, %v", got, err)
	}
}

// TestNATSCarriesOnlyVerbsThatARoleHas: its user may publish nothing else.
func TestNATSCarriesOnlyVerbsThatARoleHas(t *testing.T) {
	for _, role := range eventlog.Roles() {
		for _, verb := range verbs {
			has := slices.ContainsFunc(mayDo, func(cell string) bool { return strings.HasPrefix(cell, fmt.Sprintf("%s/%s/", role, verb)) })
			if slices.Contains(ClientMayPublish(role), "shomei.vault."+string(verb)) != has {
				t.Errorf("%s may publish to %v", role, ClientMayPublish(role))
			}
		}
	}
}

// TestRightsCantBeChangedByWhoReadsThem: they are printed from a copy.
func TestRightsCantBeChangedByWhoReadsThem(t *testing.T) {
	Rights()[0].Classes[0] = "everything"
	if forbids(eventlog.RoleRA, Seal, vault.Identity) != nil || forbids(eventlog.RoleRA, Seal, "everything") == nil {
		t.Error("a reader has changed the rights")
	}
}
