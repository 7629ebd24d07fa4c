package e2e

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// narrow stands between client and server, on a port of its own, and counts what the
// client sends: control and data, all connections together.
type narrow struct {
	port string
	to   string // the server's address
	rate int64  // bytes a second

	carried atomic.Int64
	mu      sync.Mutex
	free    time.Time // when the next byte may pass
	conns   map[net.Conn]bool
	closed  bool
}

// newNarrow starts one; the test's end closes it.
func newNarrow(t *testing.T, to string, rate int64) *narrow {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	_, port, err := net.SplitHostPort(ln.Addr().String())
	must(t, err)
	r := &narrow{port: port, to: to, rate: rate, conns: map[net.Conn]bool{}}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			work.Go(func() { r.join(c) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		r.close()
		work.Wait()
	})
	return r
}

// join carries one connection until either end closes it. Where a process was killed
// the other end hears of it at once.
func (r *narrow) join(c net.Conn) {
	defer r.forget(c)
	if !r.note(c) {
		return
	}
	s, err := net.Dial("tcp", r.to)
	if err != nil {
		return // the server is down
	}
	defer r.forget(s)
	if !r.note(s) {
		return
	}
	var work sync.WaitGroup
	work.Go(func() { r.pass(s, c, true) })
	work.Go(func() { r.pass(c, s, false) })
	work.Wait()
}

// pass copies one way, at the narrow's rate and counted if so told. An end that is
// reset resets the other; one that has said all is told on.
func (r *narrow) pass(to, from net.Conn, counted bool) {
	p := make([]byte, 64<<10)
	for {
		n, err := from.Read(p)
		if counted {
			r.wait(n)
			r.carried.Add(int64(n))
		}
		if _, werr := to.Write(p[:n]); werr != nil {
			_ = from.Close()
			return
		}
		if err == io.EOF {
			_ = to.(*net.TCPConn).CloseWrite() // closed already: as well
			return
		}
		if err != nil {
			_ = to.Close()
			return
		}
	}
}

// wait lets n bytes pass no faster than the rate.
func (r *narrow) wait(n int) {
	r.mu.Lock()
	now := time.Now()
	if r.free.Before(now) {
		r.free = now
	}
	r.free = r.free.Add(time.Duration(int64(n) * int64(time.Second) / r.rate))
	pause := r.free.Sub(now)
	r.mu.Unlock()
	if pause > time.Millisecond {
		<-time.After(pause)
	}
}

// note keeps a connection for close; false if that was already.
func (r *narrow) note(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c] = true
	return !r.closed
}

func (r *narrow) forget(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.conns, c)
	_ = c.Close()
}

func (r *narrow) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for c := range r.conns {
		_ = c.Close()
	}
}
