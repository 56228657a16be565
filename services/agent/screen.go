package agent

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
)

// ClerkToken returns the token that a clerk's browser presents; it never changes during the store's life.
func (c *Counter) ClerkToken() string { return string(c.store.meta(keyClerk)) }

// PairScreen makes the browser with this token the resident's screen, replacing any other. Only the token's hash is stored.
func (c *Counter) PairScreen(token string) error {
	hash := sha256.Sum256([]byte(token))
	if err := c.store.putMeta(keyScreen, hash[:]); err != nil {
		return fmt.Errorf("recording the pairing of the resident's screen: %w", err)
	}
	return nil
}

// ScreenPaired reports whether any browser is the resident's screen.
func (c *Counter) ScreenPaired() bool { return c.store.meta(keyScreen) != nil }

// IsScreen reports whether a token is that of the resident's screen.
func (c *Counter) IsScreen(token string) bool {
	hash := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(hash[:], c.store.meta(keyScreen)) == 1
}
