// Package secret is how the secret files of a data folder are read and written: seeds, private keys and passwords, in the
// clear or sealed.
//
// A sealed folder holds [LockFile], an age file that only its [Unlock] opens: a passphrase, a systemd credential or a key
// inside a PKCS#11 token. It holds age identities, as `age -i` takes them, to which every secret file of the folder is
// encrypted: unlocking may be slow and happens once, reading a file is not. Whoever has the unlock needs no Shomei to
// read the files, only age.
package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"

	"shomei/pkg/durable"
)

var (
	// ErrLocked: the files are sealed, and nothing was given that unlocks them.
	ErrLocked = errors.New("the keys are sealed")
	// ErrWrong: what was given does not unlock the files.
	ErrWrong = errors.New("this does not unlock the keys")
	// ErrPlain: a secret file is in the clear where all must be sealed. It was put there by somebody who can't seal.
	ErrPlain = errors.New("a key is in the clear where all must be sealed")
)

// LockFile is the name of the file in a folder of keys that says that the folder is sealed, and holds by what.
const LockFile = "unlock.age"

// magic begins every age file.
const magic = "age-encryption.org/v1\n"

// Kind is how a folder is unlocked.
type Kind string

// Kinds of unlocks. In the clear there is none.
const (
	Clear      Kind = ""
	Passphrase Kind = "passphrase"
	Credential Kind = "credential"
	Token      Kind = "pkcs11"
)

// Kinds lists the ways to unlock.
var Kinds = []Kind{Passphrase, Credential, Token}

// stanzas names the kinds as the header of an age file does.
var stanzas = map[string]Kind{"scrypt": Passphrase, "X25519": Credential, TokenStanza: Token}

// TokenStanza is the type of the stanza for which a token has the key.
const TokenStanza = "shomei.pkcs11"

// Unlock opens and closes a folder's lock.
type Unlock struct {
	Identity  age.Identity
	Recipient age.Recipient
}

// minPassphrase is the fewest characters of a passphrase that a folder is sealed with.
const minPassphrase = 12

// WithPassphrase returns the unlock by a passphrase. Every use takes about a second and 256 MB of memory, for those who try
// passphrases too.
func WithPassphrase(phrase string) (u Unlock, err error) {
	if len([]rune(phrase)) < minPassphrase {
		return u, fmt.Errorf("a passphrase has at least %d characters: %w", minPassphrase, ErrWrong)
	}
	if u.Identity, err = age.NewScryptIdentity(phrase); err == nil {
		u.Recipient, err = age.NewScryptRecipient(phrase)
	}
	return u, err
}

// WithCredential returns the unlock by an age identity (AGE-SECRET-KEY-1…), with its comments or alone.
func WithCredential(text string) (Unlock, error) {
	all, err := age.ParseIdentities(strings.NewReader(text))
	if err != nil || len(all) != 1 {
		return Unlock{}, fmt.Errorf("the credential is not one age identity (AGE-SECRET-KEY-1…): %w", ErrWrong) // the cause would repeat it
	}
	identity, ok := all[0].(*age.X25519Identity)
	if !ok {
		return Unlock{}, fmt.Errorf("the credential is an age identity of another kind than X25519: %w", ErrWrong)
	}
	return Unlock{identity, identity.Recipient()}, nil
}

// NewCredential returns the text of a new credential.
func NewCredential() ([]byte, error) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	return []byte(identity.String() + "\n"), nil
}

// KindOf returns how a folder of keys is unlocked.
func KindOf(folder string) (Kind, error) {
	text, err := os.ReadFile(filepath.Join(folder, LockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Clear, nil
	}
	if err != nil {
		return Clear, err
	}
	rest, sealed := strings.CutPrefix(string(text), magic+"-> ")
	name, _, _ := strings.Cut(rest, " ")
	kind, known := stanzas[name]
	if !sealed || !known {
		return Clear, fmt.Errorf("%s of the keys is damaged or of a newer release: put it back from its copy", LockFile)
	}
	return kind, nil
}

// Store reads and writes secret files. A nil Store is that of a folder in the clear.
type Store struct {
	// identities open the files; to the first they are sealed. A second is there while the folder is sealed anew.
	identities []*age.X25519Identity
	// crossing: the folder is on the way from the clear or to it, so that some files still are in the clear.
	crossing bool
}

// Sealed reports whether what the store writes is sealed.
func (s *Store) Sealed() bool { return s != nil }

// Crossing reports whether sealing or unsealing the folder was interrupted.
func (s *Store) Crossing() bool { return s != nil && (s.crossing || len(s.identities) > 1) }

// Open opens the store of a sealed folder of keys. The error is ErrWrong if u does not unlock it.
func Open(folder string, u Unlock) (*Store, error) {
	text, err := os.ReadFile(filepath.Join(folder, LockFile))
	if err != nil {
		return nil, err
	}
	content, err := decrypt(text, u.Identity)
	if err != nil {
		return nil, err
	}
	defer clear(content)
	s := &Store{crossing: bytes.Contains(content, []byte(crossingLine))}
	all, err := age.ParseIdentities(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("%s holds no identities: put it back from its copy", LockFile)
	}
	for _, one := range all {
		identity, ok := one.(*age.X25519Identity)
		if !ok {
			return nil, fmt.Errorf("%s holds an identity of a newer release", LockFile)
		}
		s.identities = append(s.identities, identity)
	}
	return s, nil
}

// decrypt opens an age file. Which of the bytes of it are wrong is of no use to whoever reads the error.
func decrypt(text []byte, identities ...age.Identity) ([]byte, error) {
	var no *age.NoIdentityMatchError
	plain, err := age.Decrypt(bytes.NewReader(text), identities...)
	switch {
	case errors.As(err, &no):
		return nil, fmt.Errorf("%w: %w", ErrWrong, errors.Join(no.Errors...))
	case err != nil:
		return nil, err
	}
	return io.ReadAll(plain)
}

// Read returns what a secret file holds. Errors: ErrLocked, ErrPlain, ErrWrong for a file of another folder.
func (s *Store) Read(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	sealed := bytes.HasPrefix(text, []byte(magic))
	switch {
	case !s.Sealed() && sealed:
		return nil, fmt.Errorf("%s: %w", path, ErrLocked)
	case !s.Sealed(), !sealed && s.crossing:
		return text, nil
	case !sealed:
		clear(text)
		return nil, fmt.Errorf("%s: %w", path, ErrPlain)
	}
	content, err := s.open(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return content, nil
}

func (s *Store) open(text []byte) ([]byte, error) {
	identities := make([]age.Identity, len(s.identities))
	for i, one := range s.identities {
		identities[i] = one
	}
	return decrypt(text, identities...)
}

// Write puts content in the place of a secret file, durably; nobody but its owner may read it.
func (s *Store) Write(path string, content []byte) error {
	if !s.Sealed() {
		return durable.WriteSecret(path, content)
	}
	sealed, err := encrypt(content, s.identities[0].Recipient())
	if err != nil {
		return fmt.Errorf("sealing %s: %w", path, err)
	}
	return durable.WriteSecret(path, sealed)
}

func encrypt(content []byte, to age.Recipient) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, to)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	return out.Bytes(), err
}

// Make reads a secret file, or makes it if there is none.
func (s *Store) Make(path string, create func() ([]byte, error)) ([]byte, error) {
	content, err := s.Read(path)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return content, err
	}
	if content, err = create(); err != nil {
		return nil, fmt.Errorf("making %s: %w", filepath.Base(path), err)
	}
	return content, s.Write(path, content)
}

// SealedFile reports whether a secret file is sealed.
func SealedFile(path string) (bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer file.Close()
	begin := make([]byte, len(magic))
	_, err = io.ReadFull(file, begin)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return string(begin) == magic, err
}
