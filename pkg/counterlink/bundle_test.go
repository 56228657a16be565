package counterlink_test

import (
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/nats-io/nkeys"

	"shomei/pkg/counterlink"
)

// writeBundle makes a counter's folder as the hub does.
func writeBundle(t *testing.T) (dir string, written counterlink.Bundle) {
	t.Helper()
	dir = t.TempDir()
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	own, err := counterlink.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := own.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"counter.nk": seed, "seal.key": secret} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	written = counterlink.Bundle{
		Counter: "12237-main-1", Office: "12237-main", Role: "counter", Hub: "tls://127.0.0.1:4222", CA: "none",
		HubSealKey: hex.EncodeToString(own.PublicKey().Bytes()), HubWriters: []string{"U1"},
		Key: "counter.nk", SealKey: "seal.key", FactoryKey: hex.EncodeToString(own.PublicKey().Bytes()), Clock: "/clock",
	}
	if err := written.Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir, written
}

func TestABundleIsReadAsItWasWritten(t *testing.T) {
	dir, written := writeBundle(t)
	read, err := counterlink.ReadBundle(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(written, read, cmpopts.IgnoreUnexported(counterlink.Bundle{})); diff != "" {
		t.Error(diff)
	}
	secrets, err := read.Secrets()
	if err != nil || secrets.Key == nil || secrets.SealKey == nil || secrets.HubSealKey == nil || secrets.FactoryKey == nil {
		t.Errorf("secrets: %+v, %v", secrets, err)
	}
	if _, err := read.Dial(secrets.Key); !errors.Is(err, counterlink.ErrBundle) {
		t.Errorf("dialling with a CA that is no certificate: %v", err)
	}
}

// A bundle from before 2026-11-28 names a master key of cards: it is read as before, the key is not, there or gone.
func TestAnOldBundleIsReadWithoutItsCardKey(t *testing.T) {
	dir, _ := writeBundle(t)
	path := filepath.Join(dir, counterlink.BundleFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	old := regexp.MustCompile(`(?m)^factory_key = .*$`).ReplaceAllString(string(text), "card_key_file = 'cards.key'")
	if err := os.WriteFile(path, []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	read, err := counterlink.ReadBundle(dir)
	if err != nil {
		t.Fatal(err)
	}
	if secrets, err := read.Secrets(); err != nil || secrets.FactoryKey != nil || read.OldCardKey != "cards.key" {
		t.Errorf("secrets: %+v, %v", secrets, err)
	}
}

func TestARenewedBundleHasNoCardKey(t *testing.T) {
	dir, written := writeBundle(t)
	file, key := filepath.Join(dir, counterlink.BundleFile), filepath.Join(dir, "cards.key")
	text, err := os.ReadFile(file)
	if err == nil {
		err = errors.Join(os.WriteFile(file, append(text, "\ncard_key_file = 'cards.key'\n"...), 0o600),
			os.WriteFile(key, []byte("old"), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := counterlink.RenewBundle(dir, "another", "J2"); !errors.Is(err, counterlink.ErrBundle) {
		t.Errorf("another counter's folder: %v", err)
	}
	if had, err := counterlink.RenewBundle(dir, written.Counter, "J2"); err != nil || !had {
		t.Errorf("had a card key: %t, %v", had, err)
	}
	read, err := counterlink.ReadBundle(dir)
	if err != nil || read.OldCardKey != "" || read.JWT != "J2" {
		t.Errorf("%v, %q, %q", err, read.OldCardKey, read.JWT)
	}
	if _, err := os.Stat(key); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("cards.key: %v", err)
	}
	if had, err := counterlink.RenewBundle(t.TempDir(), written.Counter, "J2"); err != nil || had {
		t.Errorf("an empty folder: %t, %v", had, err)
	}
}

func TestABadBundleIsRefused(t *testing.T) {
	for name, spoil := range map[string]func(text string) string{
		"unknown key": func(text string) string { return text + "\nhubb = 'x'\n" },
		"no counter":  func(text string) string { return strings.Replace(text, "12237-main-1", "", 1) },
		"no TOML":     func(string) string { return "counter" },
	} {
		t.Run(name, func(t *testing.T) {
			dir, _ := writeBundle(t)
			path := filepath.Join(dir, counterlink.BundleFile)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(spoil(string(text))), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := counterlink.ReadBundle(dir); !errors.Is(err, counterlink.ErrBundle) {
				t.Errorf("read: %v", err)
			}
		})
	}
	if _, err := counterlink.ReadBundle(t.TempDir()); !errors.Is(err, counterlink.ErrBundle) {
		t.Errorf("an empty folder: %v", err)
	}
	dir, written := writeBundle(t)
	written.FactoryKey = "zz"
	if err := written.Write(dir); err != nil {
		t.Fatal(err)
	}
	bad, err := counterlink.ReadBundle(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bad.Secrets(); !errors.Is(err, counterlink.ErrBundle) || !strings.Contains(err.Error(), "factory_key") {
		t.Errorf("with a key for new cards that is none: %v", err)
	}
	dir, _ = writeBundle(t)
	if err := os.Remove(filepath.Join(dir, "seal.key")); err != nil {
		t.Fatal(err)
	}
	b, err := counterlink.ReadBundle(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Secrets(); !errors.Is(err, counterlink.ErrBundle) {
		t.Errorf("without a key: %v", err)
	}
}
