package transporttest

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// call is f in a goroutine of its own that can be seen to wait.
type call struct {
	id   string // "goroutine N", as in a stack trace
	done chan struct{}
	err  error
}

// start runs f beside the test.
func start(f func() error) *call {
	c := &call{done: make(chan struct{})}
	id := make(chan string, 1)
	go func() {
		defer close(c.done)
		b := make([]byte, 64)
		id <- strings.Join(strings.Fields(string(b[:runtime.Stack(b, false)]))[:2], " ")
		c.err = f()
	}()
	c.id = <-id
	return c
}

// wait gives what f came to.
func (c *call) wait(t *testing.T) error {
	t.Helper()
	select {
	case <-c.done:
		return c.err
	case <-time.After(patience):
		stacks := make([]byte, 1<<20)
		t.Fatalf("still blocked:\n%s", stacks[:runtime.Stack(stacks, true)])
		return nil
	}
}

// blocks waits until f waits for something and nothing moves any more: parked
// five looks in a row.
func (c *call) blocks(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(patience)
	for looks := 0; looks < 5; {
		select {
		case <-c.done:
			t.Fatalf("should wait, but ended: %v", c.err)
		case <-tick.C:
		}
		if looks++; !c.parked() {
			looks = 0
		}
		if time.Now().After(deadline) {
			t.Fatal("never waits")
		}
	}
}

// parked says whether the goroutine waits, by its state in a stack trace.
func (c *call) parked() bool {
	b := make([]byte, 1<<20)
	b = b[:runtime.Stack(b, true)]
	_, state, found := strings.Cut(string(b), c.id+" [")
	return found && !strings.HasPrefix(state, "run") && !strings.HasPrefix(state, "syscall") // running, runnable
}
