package e2e

import (
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"shomei/cmd/shomei-lab/story"
	"shomei/cmd/shomei-lab/story/player"
	"shomei/cmd/shomei/hub"
)

// TestTheStoriesComeTrue plays every story of deploy/stories: they are the acceptance tests. Each must come out as it
// expects, leave a world in which nothing differs, and leave nobody's data in the clear: in tables, streams, logs, stores
// and every other file.
func TestTheStoriesComeTrue(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "deploy", "stories", "*.story"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	programs(t)
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".story")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kept, left := t.TempDir(), t.TempDir()
			out, err := exec.CommandContext(t.Context(), filepath.Join(program.dir, "shomei"),
				"--log-level", "info", "story", "run", "--keep", kept, "--out", left, file).CombinedOutput()
			var exit *exec.ExitError
			switch {
			case errors.As(err, &exit) && exit.ExitCode() == 3: // an expectation failed; the world is whole all the same
				t.Error(err)
			case err != nil:
				t.Fatalf("%v\n%s", err, out[max(0, len(out)-2000):])
			}
			cameTrue(t, filepath.Join(left, name, "report.json"))
			searchStory(t, filepath.Join(kept, name), secretsOf(t, file))
		})
	}
}

// cameTrue looks whether a story expected anything, and whether all of it was seen.
func cameTrue(t *testing.T, file string) {
	t.Helper()
	var report player.Report
	text, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(text, &report) != nil || report.Expected == 0 || len(report.Steps) == 0 {
		t.Fatalf("%s: %v, %+v", file, err, report)
	}
	for _, step := range report.Steps {
		for _, e := range step.Expectations {
			if !e.OK {
				t.Errorf("%s:%d: expected %s; seen %s", report.Story, e.Line, e.Expected, e.Seen)
			}
		}
	}
}

// secretsOf are the secrets of everybody in a story, as they are at any time in it.
func secretsOf(t *testing.T, file string) (list []string) {
	t.Helper()
	text, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer text.Close()
	s, err := story.Parse(text, filepath.Base(file))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range s.Steps {
		var who story.Resident
		switch a := step.Act.(type) {
		case *story.Facts:
			who = a.Person
		case *story.Change:
			who = a.Person
		case *story.Application:
			who = a.Person
		}
		list = append(list, of(who.Code, who.Name, who.BirthDate, who.Address, who.Mail)...)
		if len(who.Alias) >= formHead {
			list = append(list, who.Alias)
		}
	}
	if len(list) == 0 {
		t.Fatalf("%s has nobody", file)
	}
	return append(list, "ABC123") // the PIN of every story
}

// searchStory looks through the folder of a story that has ended, first as files and then with its hub, which checks it.
func searchStory(t *testing.T, data string, secrets []string) {
	t.Helper()
	s := newSearch(t.Context(), secrets)
	mails := filepath.Join(data, "mail")
	allowed := func(path string) bool { return strings.HasPrefix(path, mails) }
	if err := s.files(data, allowed); err != nil {
		t.Fatal(err)
	}
	if err := s.stores(data); err != nil {
		t.Fatal(err)
	}
	h, err := hub.Attach(t.Context(), hub.Config{Data: data, Clock: filepath.Join(data, "clock"), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	reader, err := h.FloorConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{s.tables(h.EngineDSN()), s.streams(reader)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.judge(t, "table", "stream", "decoded", "file", "log", "store")
	report, err := h.Fsck(t.Context(), nil)
	if err != nil || report.Commits == 0 {
		t.Fatalf("fsck: %v, %+v", err, report)
	}
	for _, f := range report.Findings {
		t.Errorf("fsck: %s", f)
	}
}
