package wan

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// end is an interface in memory: what it gives is read from one channel, what it is
// given goes to another.
type end struct {
	in  <-chan []byte
	out chan<- []byte
}

// Read implements io.Reader.
func (e end) Read(p []byte) (int, error) {
	b, ok := <-e.in
	if !ok {
		return 0, io.EOF
	}
	return copy(p, b), nil
}

// Write implements io.Writer.
func (e end) Write(p []byte) (int, error) {
	e.out <- bytes.Clone(p)
	return len(p), nil
}

func TestEachPacketIsHeldBackAndTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in, out := make(chan []byte), make(chan []byte, 10)
		r := &Relay{}
		l := &line{Config: Config{Delay: 10 * time.Millisecond, Rate: 1e6, Queue: 5000}, relay: r, held: make(chan packet, 10)}
		r.work.Go(func() {
			defer close(l.held)
			_ = l.take(end{in: in}) // ends with in
		})
		r.work.Go(func() { _ = l.give(end{out: out}) }) // with held
		begin := time.Now()
		for i := range byte(4) { // of 3 ms each: the fourth finds 9000 bytes before it
			in <- bytes.Repeat([]byte{i}, 3000+header)
		}
		for i := range byte(2) {
			p := <-out
			if want := time.Duration(13+3*int(i)) * time.Millisecond; p[0] != i || time.Since(begin) != want || len(p) != 3000+header {
				t.Errorf("packet %d of %d bytes after %v, want %v", p[0], len(p), time.Since(begin), want)
			}
		}
		close(in)
		r.work.Wait()
		if n := r.Lost(); n != 2-int64(len(out)) || n < 1 {
			t.Errorf("%d lost, %d more came", n, len(out))
		}
	})
}
