package softcard_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"shomei/pkg/card"
	"shomei/pkg/card/cardtest"
	"shomei/pkg/card/softcard"
)

// TestMain makes the test binary play the process that is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("SOFTCARD_VICTIM"); path != "" {
		victim(path)
	}
	os.Exit(m.Run())
}

// victim unblocks the authentication PIN for ever, each time with the next
// value, and prints the value once the card has answered.
func victim(path string) {
	c, err := softcard.Open(softcard.Config{Path: path})
	if err != nil {
		panic(err)
	}
	s := card.NewSession(c)
	if err := s.Open("C1", cardtest.Opener(cardtest.AdminKey)); err != nil {
		panic(err)
	}
	for n := 1; ; n++ {
		if err := s.ResetPIN(card.Auth, pinNumber(n)); err != nil {
			panic(err)
		}
		fmt.Println(n)
	}
}

func pinNumber(n int) []byte { return []byte(fmt.Sprintf("%04d", n%10000)) }

// TestKilledWhileWriting kills the card's process at random moments: the file
// must hold the last change that was answered, or the one after it.
func TestKilledWhileWriting(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 15 {
		c := cardtest.New(t, card.MyNumber, "C1")
		last := killVictim(t, c.Path(), 1+random.IntN(40))
		again := cardtest.Open(t, c.Path())
		if !holds(again, last) && !holds(cardtest.Open(t, c.Path()), last+1) {
			t.Errorf("seed %d: killed after answer %d, the file holds neither it nor the next", seed, last)
		}
	}
}

// killVictim lets the process answer some changes, kills it and returns the
// last change that it answered.
func killVictim(t *testing.T, path string, answers int) (last int) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "SOFTCARD_VICTIM="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for seen := 0; lines.Scan(); {
		if last, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(err)
		}
		if seen++; seen == answers {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || last < answers {
		t.Fatalf("the process ended by itself after %d answers: %v", last, err)
	}
	return last
}

func holds(c *softcard.Card, n int) bool {
	return card.NewSession(c).Verify(card.Auth, pinNumber(n)) == nil
}

func TestNoPINInFile(t *testing.T) {
	c := cardtest.Ready(t, card.MyNumber, "X7")
	s := cardtest.Session(t, c, "X7")
	if err := s.StagePIN(card.Sign, []byte("STAGED77")); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(c.Path())
	if err != nil {
		t.Fatal(err)
	}
	for _, pin := range []string{"ABC123", "STAGED77"} {
		if bytes.Contains(content, []byte(pin)) {
			t.Errorf("the file holds a PIN in the clear")
		}
	}
	// The search itself: it finds what is there.
	if !bytes.Contains(content, []byte("X7")) {
		t.Error("the search does not even find the card's number")
	}
}

func TestTwoProcessesOnOneFile(t *testing.T) {
	first := cardtest.Ready(t, card.MyNumber, "C1")
	second := cardtest.Open(t, first.Path())
	if err := card.NewSession(second).Verify(card.Auth, []byte("0000")); !errors.Is(err, card.ErrWrongPIN) {
		t.Fatal(err)
	}
	if err := card.NewSession(first).Verify(card.Auth, cardtest.PINs[card.Auth]); !errors.Is(err, card.ErrMemory) {
		t.Errorf("a card whose file another process wrote: %v", err)
	}
	if left, err := card.NewSession(cardtest.Open(t, first.Path())).Tries(card.Auth); err != nil || left != 2 {
		t.Errorf("the other process's try is lost: %d left, %v", left, err)
	}
}

func TestStoreThatCannotBeWritten(t *testing.T) {
	c := cardtest.Ready(t, card.MyNumber, "C1")
	if err := os.Rename(c.Path(), c.Path()+".away"); err != nil {
		t.Fatal(err)
	}
	s := card.NewSession(c)
	if err := s.Verify(card.Auth, cardtest.PINs[card.Auth]); !errors.Is(err, card.ErrMemory) {
		t.Errorf("without its file: %v", err)
	}
	if left, err := s.Tries(card.Auth); err != nil || left != 3 {
		t.Errorf("a try that could not be stored was counted: %d left, %v", left, err)
	}
	if err := os.Rename(c.Path()+".away", c.Path()); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(card.Auth, cardtest.PINs[card.Auth]); err != nil {
		t.Errorf("with its file again: %v", err)
	}
}

func TestBadFiles(t *testing.T) {
	good, err := os.ReadFile(cardtest.New(t, card.MyNumber, "C1").Path())
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"cut short":  string(good[:len(good)/2]),
		"newer":      strings.Replace(string(good), `"format": 2`, `"format": 3`, 1),
		"other kind": strings.Replace(string(good), `"mynumber"`, `"suica"`, 1),
		"no PINs":    strings.Replace(string(good), `"pins"`, `"pens"`, 1),
		"no card id": strings.Replace(string(good), `"C1"`, `""`, 1),
		"empty":      "",
	} {
		path := filepath.Join(t.TempDir(), "card.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := softcard.Open(softcard.Config{Path: path}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, expected an error that names the file", name, err)
		}
	}
}

func TestPersonaliseRefuses(t *testing.T) {
	good := softcard.Blank{Path: filepath.Join(t.TempDir(), "c.json"), CardID: "C1", Kind: card.MyNumber, Key: cardtest.AdminKey}
	for name, change := range map[string]func(*softcard.Blank){
		"no number":   func(b *softcard.Blank) { b.CardID = "" },
		"long number": func(b *softcard.Blank) { b.CardID = strings.Repeat("9", 33) },
		"no kind":     func(b *softcard.Blank) { b.Kind = 0 },
		"no key name": func(b *softcard.Blank) { b.Key.Name = card.KeyName{0, 1} },
	} {
		blank := good
		change(&blank)
		if err := softcard.Personalise(blank); err == nil {
			t.Errorf("%s: made", name)
		}
	}
	if err := softcard.Personalise(good); err != nil {
		t.Fatal(err)
	}
	if err := softcard.Personalise(good); !errors.Is(err, os.ErrExist) {
		t.Errorf("the same card twice: %v", err)
	}
}

// TestProbes sends what card software tries before it finds the JPKI
// application: a 9000 would claim the card for another driver (card.md 4).
func TestProbes(t *testing.T) {
	c := cardtest.Ready(t, card.MyNumber, "C1")
	for _, probe := range [][]byte{
		{0x00, 0xCA, 0xDF, 0x30, 0x05},
		{0x00, 0xCB, 0x3F, 0xFF, 0x03, 0x5C, 0x01, 0x7E, 0x08},
		{0x00, 0xA4, 0x04, 0x00, 0x05, 0xA0, 0x00, 0x00, 0x03, 0x08},
		{0x00, 0xA4, 0x04, 0x00, 0x06, 0xD2, 0x76, 0x00, 0x01, 0x24, 0x01},
		{0x00, 0xA4, 0x00, 0x0C, 0x02, 0x3F, 0x00},
		{0x80, 0xCA, 0x9F, 0x7F, 0x00},
		{0xB0, 0x01, 0x00, 0x00, 0x08},
		{0x00, 0xA4, 0x08},
		{0x00},
	} {
		resp, err := c.Transmit(probe)
		if err != nil || len(resp) != 2 || resp[0] == 0x90 {
			t.Errorf("probe % X: % X, %v", probe, resp, err)
		}
	}
}

// TestStubs asks for the tries in the neighbouring applications, as myna does.
func TestStubs(t *testing.T) {
	c := cardtest.Ready(t, card.MyNumber, "C1")
	for aid, pins := range map[string][]byte{
		"\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x02": {0x13, 0x12},
		"\xD3\x92\x10\x00\x31\x00\x01\x01\x04\x08": {0x11, 0x14, 0x15},
	} {
		for _, pin := range pins {
			for _, command := range []card.Command{
				{INS: 0xA4, P1: 4, P2: 0x0C, Data: []byte(aid)}, {INS: 0xA4, P1: 2, P2: 0x0C, Data: []byte{0, pin}},
			} {
				if _, err := card.Send(c, command); err != nil {
					t.Fatal(err)
				}
			}
			_, err := card.Send(c, card.Command{INS: 0x20, P2: 0x80})
			if tries, ok := errors.AsType[*card.PINError](err); !ok || tries.Left == 0 {
				t.Errorf("PIN file %02X: %v", pin, err)
			}
		}
	}
}

// copyOf copies a card's file to a place of its own.
func copyOf(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "card.json")
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return to
}

// A worn card makes keys and takes no certificates; what it held before works on.
func TestAWornCardTakesNoCertificates(t *testing.T) {
	c := cardtest.Ready(t, card.MyNumber, "C1")
	if err := softcard.WearOut(c.Path()); err != nil {
		t.Fatal(err)
	}
	worn := cardtest.Open(t, c.Path())
	s := cardtest.Session(t, worn, "C1")
	err := s.Install(cardtest.Intent("C1", card.MyNumber, "second"), cardtest.CA().Issuer(card.MyNumber))
	if !errors.Is(err, card.ErrMemory) {
		t.Errorf("writing a certificate: %v", err)
	}
	if err := s.Verify(card.Auth, cardtest.PINs[card.Auth]); err != nil {
		t.Errorf("the PIN it had: %v", err)
	}
	if err := softcard.WearOut(c.Path() + ".none"); err == nil {
		t.Error("a card that is not there was worn out")
	}
}
