package eventlog

import (
	"os"
	"path/filepath"
	"testing"
)

// A write of a mark fails, maybe half done, and fails again: the slot that was whole stays so, and the next start knows
// the last mark that was written. Without that a full disk could leave no readable mark, and the hub would not start.
func TestAMarkOutlivesWritesThatFailHalfDone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stream.mark")
	m, err := openMark(path)
	check(t, err)
	check(t, m.advance(1, []byte("one")))
	check(t, m.advance(2, []byte("two")))
	writable := m.file
	m.file, err = os.Open(path) // can't be written
	check(t, err)
	for sequence := range uint64(3) {
		_, err := writable.WriteAt([]byte("half a slot"), (1-m.slot)*slotSize) // where the next write goes
		check(t, err)
		if err := m.advance(3+sequence, []byte("lost")); err == nil {
			t.Fatal("the write did not fail")
		}
	}
	if last, _ := m.get(); last != 5 {
		t.Errorf("the running process knows %d, want what it saw", last)
	}
	again, err := openMark(path)
	check(t, err)
	if last, hash := again.get(); last != 2 || string(hash[:3]) != "two" {
		t.Errorf("after a restart: mark %d of %q", last, hash[:3])
	}
	check(t, again.close())
	check(t, m.file.Close())
	m.file = writable
	check(t, m.advance(6, []byte("six")))
	check(t, m.close())
	again, err = openMark(path)
	check(t, err)
	if last, _ := again.get(); last != 6 {
		t.Errorf("with space again: mark %d", last)
	}
	check(t, again.close())
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
