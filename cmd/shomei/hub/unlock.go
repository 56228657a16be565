package hub

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"shomei/pkg/ops"
	"shomei/pkg/secret"
	"shomei/pkg/secret/token"
)

// Unlocking says what unlocks the secret files of the data folder, once at the start.
type Unlocking struct {
	// Unlock is passphrase, credential (an age identity) or pkcs11 (a key inside a token); empty: as the folder is. If it is
	// set, a folder in the clear is refused.
	Unlock secret.Kind `toml:"unlock"`
	// File holds the passphrase, the credential or the token's PIN. If it is empty, the file Credential of systemd's credentials
	// is read if there is one, and otherwise a passphrase or PIN is asked for at the terminal.
	File string `toml:"file"`
	// Credential is a name as in systemd's LoadCredential; empty: shomei.unlock.
	Credential string `toml:"credential"`
	// Module is the library of the PKCS#11 token, Token the token's label, Key the label of its key; by default shomei for both.
	Module string `toml:"module"`
	Token  string `toml:"token"`
	Key    string `toml:"key"`
	// Ask asks somebody at the terminal, twice for what is new; nil: nobody is there.
	Ask func(kind secret.Kind, fresh bool) (string, error) `toml:"-"`
}

func (u Unlocking) check() error {
	switch u.Unlock {
	case secret.Clear, secret.Passphrase, secret.Credential, secret.Token:
		return nil
	}
	return fmt.Errorf("%w: unlock of [keys] is %q: passphrase, credential and pkcs11 are known", ops.ErrConfig, u.Unlock)
}

// maxUnlock bounds the file of a passphrase, a credential or a PIN.
const maxUnlock = 64 << 10

// text returns the passphrase, the credential or the PIN.
func (u Unlocking) text(kind secret.Kind, fresh bool) (string, error) {
	file := u.File
	if folder := os.Getenv("CREDENTIALS_DIRECTORY"); file == "" && folder != "" {
		file = filepath.Join(folder, cmp.Or(u.Credential, "shomei.unlock"))
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			file = ""
		}
	}
	switch {
	case file != "":
		text, err := readSome(file)
		if err != nil {
			return "", fmt.Errorf("reading what unlocks the keys: %w", err)
		}
		return strings.TrimRight(text, "\r\n"), nil
	case kind != secret.Credential && u.Ask != nil:
		return u.Ask(kind, fresh)
	}
	return "", fmt.Errorf("%w by %s: name the file that unlocks them as file of [keys] or in SHOMEI_KEYS_FILE, or give it as the systemd credential %s",
		secret.ErrLocked, kind, cmp.Or(u.Credential, "shomei.unlock"))
}

// readSome reads a small file, which may be a pipe.
func readSome(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxUnlock))
	return string(text), err
}

// with returns the unlock of a kind; fresh: nothing is sealed by it yet.
func (u Unlocking) with(kind secret.Kind, fresh bool) (secret.Unlock, error) {
	if kind == secret.Token && u.Module == "" {
		return secret.Unlock{}, fmt.Errorf("%w: the keys are sealed by a PKCS#11 token: name its library as module of [keys] or in SHOMEI_KEYS_MODULE", ops.ErrConfig)
	}
	text, err := u.text(kind, fresh)
	if err != nil {
		return secret.Unlock{}, err
	}
	switch kind {
	case secret.Passphrase:
		return secret.WithPassphrase(text)
	case secret.Credential:
		return secret.WithCredential(text)
	}
	return token.Open(u.tokenKey(text))
}

func (u Unlocking) tokenKey(pin string) token.Config {
	return token.Config{Module: u.Module, Token: cmp.Or(u.Token, "shomei"), Key: cmp.Or(u.Key, "shomei"), PIN: pin}
}

// unlock opens the store of the folder's secret files, and holds the folder to what the configuration says of it.
func (p *Parts) unlock() error {
	if err := p.Unlocking.check(); err != nil {
		return err
	}
	folder := p.path("keys")
	kind, err := secret.KindOf(folder)
	if err != nil {
		return err
	}
	switch {
	case kind == secret.Clear && p.Unlocking.Unlock == secret.Clear:
		return nil
	case kind == secret.Clear:
		return p.beginSealed(folder)
	case p.Unlocking.Unlock != secret.Clear && p.Unlocking.Unlock != kind:
		return fmt.Errorf("%w: unlock of [keys] is %s, and the keys in %s are sealed by %s: shomei keys seal --unlock %[2]s changes it",
			ops.ErrConfig, p.Unlocking.Unlock, folder, kind)
	}
	with, err := p.Unlocking.with(kind, false)
	if err == nil {
		p.secrets, err = secret.Open(folder, with)
	}
	if err != nil {
		return fmt.Errorf("unlocking %s: %w", folder, err)
	}
	if p.secrets.Crossing() {
		p.Logger.Warn("sealing or unsealing the keys was interrupted: stop the centre and give the command again", "folder", folder)
	}
	return nil
}

// beginSealed makes the lock of a folder in which no keys are yet.
func (p *Parts) beginSealed(folder string) error {
	if _, err := os.Stat(filepath.Join(folder, rootPublic)); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: the keys in %s are in the clear, and unlock of [keys] wants them sealed by %s: run shomei keys seal, or find out who unsealed them",
			secret.ErrPlain, folder, p.Unlocking.Unlock)
	}
	with, err := p.Unlocking.with(p.Unlocking.Unlock, true)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	p.secrets, err = secret.Begin(folder, with)
	return err
}

// warnClear says once, as a centre or program starts, that its keys are in the clear.
func (p *Parts) warnClear() {
	if !p.secrets.Sealed() {
		p.Logger.Warn("the keys are not encrypted: whoever reads the data folder has them; shomei keys seal encrypts them", "folder", p.path("keys"))
	}
}
