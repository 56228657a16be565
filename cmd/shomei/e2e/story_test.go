package e2e

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
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
		t.Run(strings.TrimSuffix(filepath.Base(file), ".story"), func(t *testing.T) {
			t.Parallel()
			comesTrue(t, file)
		})
	}
}

// comesTrue plays a story, looks at its world while it runs, and at what it leaves.
func comesTrue(t *testing.T, file string) {
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
	data := filepath.Join(t.TempDir(), "data")
	log := openLog(t, data+".log")
	w, err := player.Build(t.Context(), data, filepath.Join(program.dir, "shomei-agent"), s.Begin(), slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	closed := sync.OnceValue(w.Close)
	defer closed()
	report, err := player.Play(t.Context(), s, w, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	allMet(t, report)
	scan := newSearch(t.Context(), secretsOf(t, s))
	looksWhole(t, w.Hub, scan)
	if err := closed(); err != nil {
		t.Fatal(err)
	}
	mails := filepath.Join(data, "mail")
	for _, err := range []error{
		scan.files(filepath.Dir(data), func(path string) bool { return strings.HasPrefix(path, mails) }), scan.stores(data),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	scan.judge(t, "table", "stream", "decoded", "file", "log", "store")
}

// openLog makes the file that a story's centre logs to.
func openLog(t *testing.T, path string) *os.File {
	t.Helper()
	log, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	return log
}

// looksWhole scans what only answers while a centre runs, and has everything checked.
func looksWhole(t *testing.T, h *hub.Hub, scan *search) {
	t.Helper()
	reader, err := h.FloorConn()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	for _, err := range []error{scan.tables(h.EngineDSN()), scan.streams(reader)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	report, err := h.Fsck(t.Context(), nil)
	if err != nil || report.Commits == 0 {
		t.Fatalf("fsck: %v, %+v", err, report)
	}
	for _, f := range report.Findings {
		t.Errorf("fsck: %s", f)
	}
}

// allMet looks whether a story expected anything, and whether all of it was seen.
func allMet(t *testing.T, report *player.Report) {
	t.Helper()
	if report.Expected == 0 || len(report.Steps) == 0 {
		t.Fatalf("nothing was expected: %+v", report)
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
func secretsOf(t *testing.T, s *story.Story) (list []string) {
	t.Helper()
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
		t.Fatalf("%s has nobody", s.File)
	}
	return append(list, "ABC123") // the PIN of every story
}
