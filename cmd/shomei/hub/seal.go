package hub

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nkeys"

	"shomei/pkg/counterlink"
	"shomei/pkg/durable"
	"shomei/pkg/durable/shred"
	"shomei/pkg/ops"
	"shomei/pkg/secret"
	"shomei/pkg/secret/token"
	"shomei/services/cards"
)

// Seal seals the secret files of a stopped centre or program by what to names, whether they are in the clear or sealed. It
// returns how many there are. Interrupted, it leaves a folder that starts by what to names, and is finished by calling
// it again.
func Seal(ctx context.Context, c Config, to Unlocking) (count int, err error) {
	if to.Unlock == secret.Clear {
		return 0, fmt.Errorf("%w: --unlock is missing: passphrase, credential or pkcs11", ops.ErrConfig)
	}
	p, err := holdKeys(ctx, c)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := errors.Join(to.check(), to.apart(p.Data)); err != nil {
		return 0, err
	}
	if err := p.unlockNow(to); err != nil {
		return 0, err
	}
	if err := to.prepare(); err != nil {
		return 0, err
	}
	with, err := to.with(to.Unlock, true)
	if err != nil {
		return 0, err
	}
	files, err := p.settledFiles()
	if err == nil {
		p.secrets, err = p.secrets.Seal(p.path("keys"), files, with)
	}
	return len(files), err
}

// Unseal puts the secret files of a stopped centre or program in the clear. It returns how many there are.
func Unseal(ctx context.Context, c Config) (count int, err error) {
	p, err := holdKeys(ctx, c)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	kind, err := secret.KindOf(p.path("keys"))
	if err != nil || kind == secret.Clear {
		return 0, err
	}
	with, err := p.Unlocking.with(kind, false)
	if err == nil {
		p.secrets, err = secret.Open(p.path("keys"), with)
	}
	if err != nil {
		return 0, err
	}
	files, err := p.settledFiles()
	if err == nil {
		err = p.secrets.Unseal(p.path("keys"), files, with)
	}
	return len(files), err
}

// holdKeys holds the data folder of a stopped centre or program, so that nobody else reads or writes its keys.
func holdKeys(ctx context.Context, c Config) (*Parts, error) {
	p, err := keysOf(c)
	if err != nil {
		return nil, err
	}
	if err := p.hold(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func keysOf(c Config) (*Parts, error) {
	p := newParts(c)
	if _, err := os.Stat(p.path("keys", rootPublic)); err != nil {
		return nil, fmt.Errorf("%s: %w: give the folder with --data", c.Data, ErrNoData)
	}
	return p, nil
}

// unlockNow unlocks the folder as it is, whatever it is to be: by the new unlock, if a sealing by it was interrupted, or else by
// the configured one.
func (p *Parts) unlockNow(to Unlocking) error {
	kind, err := secret.KindOf(p.path("keys"))
	if err != nil || kind == secret.Clear {
		return err
	}
	if kind == to.Unlock && (to.File != "" || kind == secret.Token) {
		with, err := to.with(kind, false)
		if err == nil {
			p.secrets, err = secret.Open(p.path("keys"), with)
		}
		if err == nil || !errors.Is(err, secret.ErrWrong) {
			return err
		}
	}
	p.Unlocking.Unlock = secret.Clear
	return p.unlock()
}

// apart refuses a file that lies in the data folder.
func (u Unlocking) apart(data string) error {
	if u.File == "" {
		return nil
	}
	file, err := filepath.Abs(u.File)
	if err != nil {
		return err
	}
	if rest, err := filepath.Rel(data, file); err == nil && filepath.IsLocal(rest) {
		return fmt.Errorf("%w: %s lies in the data folder, and a copy of the folder would take it along: name a place elsewhere", ops.ErrConfig, file)
	}
	return nil
}

// prepare makes what a folder is to be unlocked by, where that is for the program to make: the credential's file, or the key
// inside the token.
func (u Unlocking) prepare() error {
	switch u.Unlock {
	case secret.Credential:
		if _, err := os.Stat(u.File); u.File == "" || !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		text, err := secret.NewCredential()
		if err != nil {
			return err
		}
		defer clear(text)
		return durable.WriteSecret(u.File, text)
	case secret.Token:
		pin, err := u.text(secret.Token, false)
		if err == nil {
			_, err = token.Make(u.tokenKey(pin))
		}
		return err
	}
	return nil
}

// settledFiles lists the secret files of a folder that this process holds, and shreds what a killed process left half written.
func (p *Parts) settledFiles() ([]string, error) {
	files, err := p.secretFiles()
	for i := 0; i < len(files) && err == nil; {
		if !halfWritten(files[i]) {
			i++
			continue
		}
		err = shred.Remove(files[i])
		files = slices.Delete(files, i, i+1)
	}
	return files, err
}

// halfWritten reports whether a file was to take another's place and did not come to it.
func halfWritten(path string) bool { return strings.HasPrefix(filepath.Base(path), ".") }

// secretFiles lists the secret files of the data folder, and those that are half written.
func (p *Parts) secretFiles() (files []string, err error) {
	err = filepath.WalkDir(p.path("keys"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rest, err := filepath.Rel(p.path("keys"), path)
		if err == nil && p.isSecret(rest) {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"counter.nk", "seal.key"} {
		own, err := filepath.Glob(p.path("counters", "*", name))
		if err != nil {
			return nil, err
		}
		files = append(files, own...)
	}
	return files, nil
}

// isSecret reports whether a file below keys/ is one, and not public, part of an interrupted replacement, or a note.
func (p *Parts) isSecret(name string) bool {
	if name == secret.LockFile || name == separatedTo || name == "hub.nk" && p.moved() {
		return false
	}
	return !slices.Contains([]string{".pub", ".pem", shred.Fresh, shred.Left}, filepath.Ext(name))
}

// moved reports whether a note stands in the place of the gate's key.
func (p *Parts) moved() bool {
	text, err := os.ReadFile(p.path("keys", "hub.nk"))
	return err == nil && bytes.HasPrefix(text, []byte(elsewhere))
}

// Secret describes a secret file without telling what it holds.
type Secret struct {
	// File is its name below the data folder.
	File string `json:"file"`
	// Use says what it is for, in both languages.
	Use    string    `json:"use"`
	Sealed bool      `json:"sealed"`
	Since  time.Time `json:"since"`
	// Public is its public half or the fingerprint of that; empty if it has none.
	Public string `json:"public,omitempty"`
}

// Secrets lists the secret files of a centre or program.
func Secrets(c Config) (list []Secret, err error) {
	p, err := keysOf(c)
	if err != nil {
		return nil, err
	}
	if err := p.unlock(); err != nil {
		return nil, err
	}
	files, err := p.secretFiles()
	if err != nil {
		return nil, err
	}
	files = slices.DeleteFunc(files, halfWritten)
	for _, file := range files {
		one, err := p.describe(file)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return list, nil
}

func (p *Parts) describe(file string) (s Secret, err error) {
	if s.File, err = filepath.Rel(p.Data, file); err != nil {
		return s, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return s, err
	}
	if s.Sealed, err = secret.SealedFile(file); err != nil {
		return s, err
	}
	content, err := p.secrets.Read(file)
	if err != nil {
		return s, err
	}
	defer clear(content)
	s.Since, s.Use, s.Public = info.ModTime().Truncate(time.Second), useOf(s.File), p.publicHalf(file, content)
	return s, nil
}

// uses says what secret files are for; the first pattern that fits counts.
var uses = [][2]string{
	{"keys/root.nk", "根の鍵: 記録する鍵を登録する (the root: enrols the keys that write the log; keep it elsewhere)"},
	{"keys/hub.nk", "窓口への回答に署名する (signs what counters are told)"},
	{"keys/writers/*.nk", "記録に署名する (signs commits of its role)"},
	{"keys/simulator.nk", "模擬の記録に署名する (signs simulated commits)"},
	{"keys/seal.key", "窓口から届く個人情報を開く (opens what counters seal)"},
	{"keys/register.nk", "台帳からの届け出に署名する (signs the claims that the gateway makes for registers)"},
	{"keys/register-seal.key", "台帳から届く個人情報を開く (opens what registers seal)"},
	{"keys/vault.key", "保管庫への求めを開く (opens what programs ask the vault)"},
	{"keys/master.key", "個人の鍵を包むマスター鍵 (master key: wraps the keys of persons)"},
	{"keys/cards.key", "カードの親鍵 (master keys of cards)"},
	{"keys/subscriber-ids.key", "利用者の番号を作る (makes subscriber ids)"},
	{"keys/ca/*", "認証局の署名鍵 (authority key: signs certificates and lists)"},
	{"keys/nats/operator.nk", "NATS のアカウントを定める (signs the accounts of NATS)"},
	{"keys/nats/*", "NATS の利用者を作る (makes users of an account of NATS)"},
	{"keys/*.creds", "NATS への資格 (signs in to NATS)"},
	{"keys/tls.key", "窓口の接続先の認証局 (authority of the port's certificate)"},
	{"keys/tls-port.key", "窓口の接続先の証明書の鍵 (the port's certificate)"},
	{"keys/engine.password", "表への合言葉 (password of the tables)"},
	{"counters/*/*", "センター自身の届け出に署名する (signs the centre's own claims)"},
}

func useOf(file string) string {
	for _, use := range uses {
		if fits, err := path.Match(use[0], filepath.ToSlash(file)); err == nil && fits {
			return use[1]
		}
	}
	return ""
}

// publicHalf returns what everybody may know of a secret.
func (p *Parts) publicHalf(file string, content []byte) string {
	name := filepath.Base(file)
	var public []byte
	switch {
	case strings.HasSuffix(name, ".nk"), strings.HasSuffix(name, ".creds"):
		pair, err := nkeys.ParseDecoratedNKey(content)
		if err != nil {
			return ""
		}
		text, _ := pair.PublicKey()
		return text
	case name == "cards.key":
		public, _ = cards.FactoryKey(p.secrets, file)
	case name == "seal.key", name == "vault.key", name == "register-seal.key":
		if key, err := counterlink.ParseSealKey(content); err == nil {
			public = key.PublicKey().Bytes()
		}
	default:
		public = publicOfPEM(content)
	}
	if public == nil {
		return ""
	}
	sum := sha256.Sum256(public)
	return "SHA-256 " + hex.EncodeToString(sum[:])
}

func publicOfPEM(content []byte) []byte {
	block, _ := pem.Decode(content)
	if block == nil {
		return nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil
	}
	public, _ := x509.MarshalPKIXPublicKey(signer.Public())
	return public
}

// TakeRoot moves the root's key out of the data folder into a file, in the clear: no running service needs it, and sealing the
// folder anew must not leave it behind unreadable.
func TakeRoot(c Config, file string) error {
	p, err := keysOf(c)
	if err == nil {
		err = (Unlocking{File: file}).apart(p.Data)
	}
	if err != nil {
		return err
	}
	if err := p.unlock(); err != nil {
		return err
	}
	own := p.path("keys", rootFile)
	seed, err := p.secrets.Read(own)
	if err != nil {
		return err
	}
	defer clear(seed)
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s exists already: %w", file, errors.Join(err, fs.ErrExist))
	}
	if err := durable.WriteSecret(file, seed); err != nil {
		return err
	}
	return shred.Remove(own)
}
