package bench

import (
	"os"
	"testing"
	"time"
)

// TestProcessorTimeGrowsWithWork: what a busy loop takes is seen, and a process that is not there is an error.
func TestProcessorTimeGrowsWithWork(t *testing.T) {
	before, err := processorTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for after := before; after < before+5*tick; {
		if time.Now().After(deadline) {
			t.Fatalf("a minute of work took %v of a core", after-before)
		}
		if after, err = processorTime(os.Getpid()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := processorTime(1 << 30); err == nil {
		t.Error("a process that is not there has a processor time")
	}
}
