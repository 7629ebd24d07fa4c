package control

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"
)

// accepting takes in clients until the test ends.
func accepting(t *testing.T, l *Listener) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept(ctx)
			if err != nil {
				return
			}
			c.Abort()
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
}

// in gives a question little time, for a test that expects no answer.
func in(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestAListenerThatTakesClientsIsAlive(t *testing.T) {
	l := listen(t)
	accepting(t, l)
	for range 3 {
		if err := l.Alive(soon(t)); err != nil {
			t.Fatal(err)
		}
		c, err := Dial(soon(t), to(l.Addr().String(), Config{}))
		if err != nil {
			t.Fatalf("a client after a pulse: %v", err)
		}
		c.Abort()
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := l.Alive(soon(t)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestAListenerIsNotAliveIfNobodyTakesClients(t *testing.T) {
	l := listen(t)
	wantError(t, l.Alive(in(t, 20*time.Millisecond)), context.DeadlineExceeded, "nobody takes in clients")
	accepting(t, l)
	if err := l.Alive(soon(t)); err != nil {
		t.Errorf("and now somebody does: %v", err)
	}
}

// deaf is a port whose Accept can't be woken, as if the loop around it hung.
type deaf struct{ net.Listener }

func TestAListenerIsNotAliveIfItsLoopHangs(t *testing.T) {
	l := listen(t, func(c *ListenConfig) {
		ln, err := Bind(t.Context(), "", c.Addr)
		if err != nil {
			t.Fatal(err)
		}
		c.Listener = deaf{ln}
	})
	accepting(t, l)
	for range 2 {
		wantError(t, l.Alive(in(t, 20*time.Millisecond)), context.DeadlineExceeded, "the loop that accepts connections does not answer")
	}
}

func TestAListenerThatIsClosedIsNotAlive(t *testing.T) {
	l := listen(t)
	accepting(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		wantError(t, l.Alive(soon(t)), ErrClosed)
	}
}
