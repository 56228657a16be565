package signin

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"shomei/pkg/durable"
	"shomei/pkg/officer"
)

// Passwords are the password accounts of officers at one site. They are weaker than passkeys, and whoever reads the file can try
// passwords as fast as argon2id lets them, so a site lets those in look and nothing else.
//
// An account is bound to the invitation with which its officer has set the password, and counts as long as that is the officer's newest:
// who is retired or invited anew has none. The file belongs to one process.
type Passwords struct {
	path string
	now  func() time.Time
	// hashing is held while a hash is computed, which takes 64 MiB.
	hashing sync.Mutex

	mu       sync.Mutex
	accounts map[string]account // by the officer's code
	failed   attempts
}

// account is what the file holds of one officer.
type account struct {
	Home string `json:"home"`
	// Invitation is SHA-256 of the invitation's code.
	Invitation []byte `json:"invitation"`
	Salt       []byte `json:"salt"`
	Hash       []byte `json:"hash"`
	// Time, Memory (KiB) and Threads are the parameters of argon2id.
	Time    uint32 `json:"time"`
	Memory  uint32 `json:"memory"`
	Threads uint8  `json:"threads"`
}

// The parameters are the second recommendation of RFC 9106, 4. A lone password has at least 15 characters (NIST SP 800-63B-4, 3.1.1.2).
const (
	argonTime, argonMemory, argonThreads = 3, 64 << 10, 4
	saltBytes, hashBytes                 = 16, 32
	shortestPassword, longestPassword    = 15, 128
	fewestLetters                        = 5
	// longestPasswordWait is the wait after many wrong passwords, a dozen or so: a password can be guessed, unlike a signature. Whoever
	// keeps an officer out so leaves them the passkey.
	longestPasswordWait = time.Hour
)

// Errors of Passwords.
var (
	// ErrWeak: the password is too short, too long or of too few different characters.
	ErrWeak = fmt.Errorf("a password has %d to %d characters, %d different ones at least", shortestPassword, longestPassword, fewestLetters)
	// ErrPassword: the password is wrong, or there is no such account.
	ErrPassword = errors.New("wrong password")
)

// OpenPasswords reads the accounts in a file, which need not be there yet.
func OpenPasswords(path string, now func() time.Time) (*Passwords, error) {
	p := &Passwords{path: path, now: now, accounts: map[string]account{}, failed: attempts{longest: longestPasswordWait}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &p.accounts)
	}
	if err == nil {
		err = p.check()
	}
	if err != nil {
		return nil, fmt.Errorf("reading the password accounts in %s: %w; remove the file, and have officers set their passwords anew", path, err)
	}
	return p, nil
}

// check returns what is wrong with accounts that were read: this program writes no others.
func (p *Passwords) check() error {
	info, err := os.Stat(p.path)
	if err != nil {
		return err
	}
	if others := info.Mode().Perm() & 0o077; others != 0 {
		return fmt.Errorf("others than its owner may use the file (mode %#o; make it 0600)", info.Mode().Perm())
	}
	if p.accounts == nil {
		return errors.New("there is no list of accounts in it")
	}
	for code, a := range p.accounts {
		if a.Time != argonTime || a.Memory != argonMemory || a.Threads != argonThreads || len(a.Salt) != saltBytes || len(a.Hash) != hashBytes {
			return fmt.Errorf("the account of officer %q was not written by this program", code)
		}
	}
	return nil
}

// Holds returns the invitation by which an officer has an account now, as the hash of its code; nil if the officer has none.
func (p *Passwords) Holds(o officer.Officer) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.accounts[o.Code]
	if n := len(o.Invitations); !ok || a.Home != o.Home || n == 0 || !bytes.Equal(a.Invitation, o.Invitations[n-1].CodeSHA256) {
		return nil
	}
	return a.Invitation
}

// Set sets the password of an officer who has shown the code of the newest invitation, once for each. Errors: officer.NoInvitation,
// ErrWeak.
func (p *Passwords) Set(o officer.Officer, password string) error {
	n := len(o.Invitations)
	if n == 0 || !p.now().Before(o.Invitations[n-1].Until) || p.Holds(o) != nil {
		return officer.NoInvitation
	}
	password = norm.NFC.String(password)
	if !strong(password) {
		return ErrWeak
	}
	p.hashing.Lock() // for a moment: whoever fails often waits before it
	defer p.hashing.Unlock()
	a := account{
		Home: o.Home, Invitation: o.Invitations[n-1].CodeSHA256, Salt: make([]byte, saltBytes),
		Time: argonTime, Memory: argonMemory, Threads: argonThreads,
	}
	rand.Read(a.Salt)
	a.Hash = a.hash(password)
	p.mu.Lock()
	defer p.mu.Unlock()
	former, had := p.accounts[o.Code]
	p.accounts[o.Code] = a
	text, err := json.MarshalIndent(p.accounts, "", "  ")
	if err == nil {
		err = durable.WriteSecret(p.path, text)
	}
	if err == nil {
		p.failed.succeeded(o.Code)
		return nil
	}
	if p.accounts[o.Code] = former; !had {
		delete(p.accounts, o.Code)
	}
	return fmt.Errorf("storing the password accounts in %s: %w", p.path, err)
}

func strong(password string) bool {
	letters := map[rune]bool{}
	for _, r := range strings.ToLower(password) {
		letters[r] = true
	}
	n := utf8.RuneCountInString(password)
	return utf8.ValidString(password) && n >= shortestPassword && n <= longestPassword && len(letters) >= fewestLetters
}

func (a account) hash(password string) []byte {
	return argon2.IDKey([]byte(password), a.Salt, a.Time, a.Memory, a.Threads, hashBytes)
}

// Check returns nil if the password is that of the officer's account; of the zero Officer, who is somebody unknown, none is, which takes
// as long to find out. Wrong ones are answered ever more slowly. Errors: ErrPassword, *TooMany.
func (p *Passwords) Check(o officer.Officer, password string) error {
	p.hashing.Lock() // for a moment: whoever fails often waits before it
	defer p.hashing.Unlock()
	holds := p.Holds(o) != nil
	code := ""
	a := account{Salt: make([]byte, saltBytes), Time: argonTime, Memory: argonMemory, Threads: argonThreads}
	p.mu.Lock()
	if holds {
		a, code = p.accounts[o.Code], o.Code
	}
	wait := p.failed.wait(code, p.now())
	p.mu.Unlock()
	if wait > 0 {
		return &TooMany{wait}
	}
	password = norm.NFC.String(password)
	right := len(password) <= longestPassword*utf8.UTFMax && subtle.ConstantTimeCompare(a.hash(password), a.Hash) == 1
	p.mu.Lock()
	defer p.mu.Unlock()
	if !right || !holds {
		p.failed.failed(code, p.now())
		return ErrPassword
	}
	p.failed.succeeded(code)
	return nil
}
