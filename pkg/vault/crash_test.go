package vault

import (
	"bufio"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"shomei/events"
	"shomei/pkg/crashpoint"
	"shomei/pkg/durable/shred"
)

// childVariable names the folder in which this test binary plays the process that gets killed.
const childVariable = "SHOMEI_VAULT_TEST_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		if err := child(childConfig(dir)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func childConfig(dir string) Config {
	return Config{Dir: filepath.Join(dir, "vault"), MasterKey: filepath.Join(dir, "vault.key")}
}

const childPersons = 24

// child seals, erases and rewraps, saying before each step what it begins and after it what is done.
func child(cfg Config) error {
	v, err := Open(cfg)
	if err != nil {
		return err
	}
	for i := range childPersons {
		id := fmt.Sprintf("p%d", i)
		sealed, err := v.Seal(id, Identity, Binding{ID: id}, []byte(id))
		if err != nil {
			return err
		}
		encoded, err := proto.Marshal(sealed)
		if err != nil {
			return err
		}
		fmt.Println("sealed", id, base64.StdEncoding.EncodeToString(encoded))
		if err := v.Index(childIdentity(id)); err != nil {
			return err
		}
		fmt.Println("indexed", id)
		if i%4 == 3 {
			err = childErase(v, fmt.Sprintf("p%d", i-2))
		}
		if i == childPersons/2 {
			err = childRewrap(v)
		}
		if err != nil {
			return err
		}
	}
	return v.Close()
}

func childIdentity(id string) Identified {
	return Identified{Person: id, Version: 1, Names: []string{id}, BirthDate: "1980-06-18"}
}

func childErase(v *Vault, id string) error {
	value, err := v.shardOf(id).read(id + "\x00" + Identity)
	if err != nil {
		return err
	}
	fmt.Println("erasing", id, base64.StdEncoding.EncodeToString(value))
	if err := v.Erase(id, Identity); err != nil {
		return err
	}
	fmt.Println("erased", id)
	return nil
}

func childRewrap(v *Vault) error {
	fmt.Println("rewrapping")
	if err := v.Rewrap(); err != nil {
		return err
	}
	fmt.Println("rewrapped")
	return nil
}

// heard is what a child said before it died.
type heard struct {
	sealed  map[string]*events.Sealed
	erasing map[string][]byte // the wrapped key that has to go
	erased  map[string]bool
	indexed map[string]bool
	lines   int
}

// runChild starts a child and kills it when it has said enough; zero leaves it to its crash point, or to its end.
func runChild(t *testing.T, dir, crashAt string, killAfter int) (*heard, bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+dir, crashpoint.Variable+"="+crashAt)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	h := &heard{sealed: map[string]*events.Sealed{}, erasing: map[string][]byte{}, erased: map[string]bool{}, indexed: map[string]bool{}}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		h.hear(t, strings.Fields(lines.Text()))
		if h.lines == killAfter {
			must(t, cmd.Process.Kill())
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if err == nil {
		return h, false
	}
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child failed otherwise than by being killed: %v", err)
	}
	return h, true
}

func (h *heard) hear(t *testing.T, words []string) {
	t.Helper()
	h.lines++
	switch words[0] {
	case "sealed":
		encoded, err := base64.StdEncoding.DecodeString(words[2])
		must(t, err)
		s := new(events.Sealed)
		must(t, proto.Unmarshal(encoded, s))
		h.sealed[words[1]] = s
	case "indexed":
		h.indexed[words[1]] = true
	case "erasing":
		value, err := base64.StdEncoding.DecodeString(words[2])
		must(t, err)
		h.erasing[words[1]] = value
	case "erased":
		h.erased[words[1]] = true
	}
}

// check opens the vault as a restarted process does, and looks at everything the dead one had promised.
func (h *heard) check(t *testing.T, dir string) {
	t.Helper()
	cfg := childConfig(dir)
	v := mustOpen(t, cfg)
	defer mustClose(t, v)
	v.Searchable()
	h.checkKeys(t, v, dir)
	for id := range h.erasing {
		must(t, v.Erase(id, Identity))
		h.erased[id] = true
	}
	must(t, v.Rewrap())
	if len(v.master.versions) != 1 {
		t.Errorf("%d master keys are left after a rewrap that finished", len(v.master.versions))
	}
	h.checkKeys(t, v, dir)
	for _, pattern := range []string{"*" + shred.Fresh, "*" + shred.Left} {
		for _, folder := range []string{cfg.Dir, filepath.Dir(cfg.MasterKey)} {
			if left, err := filepath.Glob(filepath.Join(folder, pattern)); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v (%v)", left, err)
			}
		}
	}
}

func (h *heard) checkKeys(t *testing.T, v *Vault, dir string) {
	t.Helper()
	for id, s := range h.sealed {
		got, err := v.Open(id, Binding{ID: id}, s)
		gone := errors.Is(err, ErrErased)
		switch {
		case h.erased[id] && !gone:
			t.Errorf("%s was erased and opens as %q, %v", id, got, err)
		case gone && h.erasing[id] == nil:
			t.Errorf("%s is erased and nobody asked for it", id)
		case !gone && (err != nil || string(got) != id):
			t.Errorf("%s was sealed and opens as %q, %v", id, got, err)
		}
		if found, err := v.Find(id, "1980-06-18"); err != nil || gone && len(found) > 0 || !gone && h.indexed[id] && len(found) != 1 {
			t.Errorf("%s, erased %v, is found as %v, %v", id, gone, found, err)
		}
		if !gone {
			continue
		}
		if found := filesWith(t, dir, h.erasing[id][5:]); len(found) > 0 {
			t.Errorf("the erased key of %s is still in %v", id, found)
		}
	}
}

func TestNothingIsLostWhenAProcessDiesAtACrashPoint(t *testing.T) {
	for _, point := range crashpoint.List() {
		if !strings.HasPrefix(point, "vault.") && !strings.HasPrefix(point, "shred.") {
			continue
		}
		for visit := 1; visit <= 5; visit += 2 {
			t.Run(fmt.Sprintf("%s:%d", point, visit), func(t *testing.T) {
				dir := memoryDir(t)
				h, killed := runChild(t, dir, fmt.Sprintf("%s:%d", point, visit), 0)
				if !killed && visit == 1 {
					t.Fatal("the child never came to this point")
				}
				h.check(t, dir)
			})
		}
	}
}

func TestNothingIsLostWhenAProcessDiesAtAnyMoment(t *testing.T) {
	whole, killed := runChild(t, memoryDir(t), "", 0)
	if killed || len(whole.sealed) != childPersons || len(whole.erased) != childPersons/4 {
		t.Fatalf("left alone, the child sealed %d and erased %d", len(whole.sealed), len(whole.erased))
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 15 {
		after := 1 + random.IntN(whole.lines-1)
		t.Run(fmt.Sprintf("after line %d", after), func(t *testing.T) {
			dir := memoryDir(t)
			h, _ := runChild(t, dir, "", after)
			h.check(t, dir)
		})
	}
}
