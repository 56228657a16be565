package console

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"shomei/pkg/civil"
	"shomei/pkg/officer"
)

const (
	// tokenLife is how long a program may ask in an officer's name, and openTokens how many do at a time.
	tokenLife  = 8 * time.Hour
	openTokens = 256
	// ownTokens is how many one officer has at a time.
	ownTokens = 4
)

// tokens are what programs show that ask in an officer's name. They are good for counts alone: never for a person's history, nor for
// anything that is decided.
type tokens struct {
	mu   sync.Mutex
	open map[[sha256.Size]byte]programToken
}

// programToken is one program's; the officer is looked up by passkey at each question, so that it ends with the officer.
type programToken struct {
	credential []byte
	until      time.Time
}

// issue returns a new token. The oldest gives way where there are too many.
func (t *tokens) issue(credential []byte, now time.Time) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open == nil {
		t.open = map[[sha256.Size]byte]programToken{}
	}
	maps.DeleteFunc(t.open, func(_ [sha256.Size]byte, one programToken) bool { return now.After(one.until) })
	t.makeRoom(ownTokens, func(one programToken) bool { return bytes.Equal(one.credential, credential) })
	t.makeRoom(openTokens, func(programToken) bool { return true })
	text := rand.Text()
	t.open[sha256.Sum256([]byte(text))] = programToken{credential, now.Add(tokenLife)}
	return text
}

// makeRoom has the oldest of some tokens give way where there are too many of them.
func (t *tokens) makeRoom(most int, some func(programToken) bool) {
	var oldest [sha256.Size]byte
	count := 0
	for hash, one := range t.open {
		if !some(one) {
			continue
		}
		if count++; count == 1 || one.until.Before(t.open[oldest].until) {
			oldest = hash
		}
	}
	if count >= most {
		delete(t.open, oldest)
	}
}

// credential returns the passkey of the officer in whose name a program asks, or nil.
func (t *tokens) credential(r *http.Request, now time.Time) []byte {
	text, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	one, ok := t.open[sha256.Sum256([]byte(text))]
	if !ok || now.After(one.until) {
		return nil
	}
	return one.credential
}

// byToken returns in whose name a program asks for counts. The error is an officer.Reason.
func (c *Console) byToken(r *http.Request) (visitor, error) {
	credential := c.tokens.credential(r, c.Clock())
	if credential == nil || !strings.HasPrefix(r.URL.Path, "/api/") || r.URL.Path == "/api/history" {
		return visitor{}, officer.Unknown
	}
	found, err := c.SignIn.Find(credential)
	if err == nil {
		err = found.InTerm(civil.Of(c.Clock()))
	}
	return c.looking(found, err)
}

// issueToken shows a token to an officer who is signed in with a passkey, once.
func (c *Console) issueToken(w http.ResponseWriter, r *http.Request) {
	who, ok := c.site.Use(r)
	if !ok {
		c.showDescription(w, r, http.StatusForbidden, "", "api.token.passkey")
		return
	}
	c.Logger.InfoContext(r.Context(), "a program may ask for counts in an officer's name", "officer", who.Officer)
	c.showDescription(w, r, http.StatusOK, c.tokens.issue(who.Credential, c.Clock()), "")
}
