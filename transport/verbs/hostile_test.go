package verbs_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"scp_rdma/engine"
	"scp_rdma/transport/verbs"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/transport/verbs/internal/softnic"
)

// hostileTime is within how long both sides must know that something is wrong. A
// device alone may try again for four seconds (endpoint.go).
const hostileTime = 30 * time.Second

// attack is what one side's devices do to its peer.
type attack struct {
	post func(qp nic.QP, w *nic.SendWR, bytes []byte)
	says string // what one of the two sides says; from the first post on the Hello is spoilt, and that is told
}

// attacks by name; of the client, who writes to slots, or the server.
func attacks(server bool) map[string]attack {
	all := map[string]attack{
		"its QP into ERR": {
			post: func(qp nic.QP, _ *nic.SendWR, _ []byte) { _ = qp.ToError() },
			says: "rail rxe",
		},
		"random bytes in place of CDCs": {
			post: func(_ nic.QP, w *nic.SendWR, b []byte) {
				if w.Op == nic.OpSend {
					rand.Read(b)
				}
			},
			says: "cdc",
		},
		"CDCs cut short": {
			post: func(_ nic.QP, w *nic.SendWR, _ []byte) {
				if w.Op == nic.OpSend {
					w.Length /= 2
				}
			},
			says: "cdc",
		},
		"a CDC that is true but for one bit": {
			post: func(_ nic.QP, w *nic.SendWR, b []byte) {
				if w.Op == nic.OpSend && len(b) > 0 {
					b[len(b)-1] ^= 1
				}
			},
			says: "cdc",
		},
	}
	if server {
		return all
	}
	write := func(f func(w *nic.SendWR, b []byte)) func(nic.QP, *nic.SendWR, []byte) {
		return func(_ nic.QP, w *nic.SendWR, b []byte) {
			if w.Op == nic.OpWrite && w.Length > 0 {
				f(w, b)
			}
		}
	}
	all["random bytes in slots"] = attack{write(func(_ *nic.SendWR, b []byte) { rand.Read(b) }), ": frame head"}
	all["a frame's data changed"] = attack{write(func(_ *nic.SendWR, b []byte) { b[len(b)-1] ^= 1 }), "verif"}
	all["a WRITE beyond the slots"] = attack{write(func(w *nic.SendWR, _ []byte) { w.RemoteAddr += 1 << 30 }), "remote access"}
	all["a WRITE before the slots"] = attack{write(func(w *nic.SendWR, _ []byte) { w.RemoteAddr -= 1 << 30 }), "remote access"}
	all["a WRITE with another key"] = attack{write(func(w *nic.SendWR, _ []byte) { w.RKey ^= 0x5a00 }), "remote access"}
	return all
}

// hooks makes hooks that attack from the nth post on.
func (a attack) hooks(n int64) hooks {
	var posts atomic.Int64
	return hooks{post: func(qp nic.QP, chain []nic.SendWR, memory func(nic.MR) []byte) {
		if posts.Add(1) < n {
			return
		}
		for i := range chain {
			w := &chain[i]
			var b []byte
			if w.Length > 0 {
				b = memory(w.MR)[w.Offset : w.Offset+w.Length]
			}
			a.post(qp, w, b)
		}
	}}
}

// TestHostileDevicesEndTheirSessionAndNothingElse: whatever one side's devices do,
// both sides end with an error within seconds, nothing gets a name that isn't
// whole, the server goes on to serve, and no handle is left.
func TestHostileDevicesEndTheirSessionAndNothingElse(t *testing.T) {
	hostile(t, func(t *testing.T) (client, server verbs.Provider, leaks func() []string) {
		f := &softnic.Fabric{}
		host := func(n byte) verbs.Provider { return f.Host(softnic.RXE("rxe0", [4]byte{10, 1, 0, n})) }
		return host(1), host(2), f.Leaks
	})
}

// hostile runs every attack of either side, from the first post on and from one
// in the middle of the transfer.
func hostile(t *testing.T, world func(t *testing.T) (client, server verbs.Provider, leaks func() []string)) {
	t.Helper()
	src := t.TempDir()
	const size = 8 << 20
	fill(t, filepath.Join(src, "large"), size)
	for side, server := range map[string]bool{"client": false, "server": true} {
		for name, a := range attacks(server) {
			for when, post := range map[string]int64{"at once": 1, "later": 9} {
				t.Run(side+": "+name+", "+when, func(t *testing.T) {
					t.Parallel()
					mine, theirs, leaks := world(t)
					bad := a.hooks(post)
					evil, target := verbs.Provider(spyHost{mine, bad}), theirs
					if server {
						evil, target = mine, spyHost{theirs, bad}
					}
					s := serve(t, over(target))
					ctx, cancel := context.WithTimeout(t.Context(), hostileTime)
					defer cancel()
					_, err := s.try(ctx, t, src, evil)
					if err == nil {
						t.Fatal("the transfer came to a good end")
					}
					ended := s.next(t)
					t.Logf("client: %v", err)
					t.Logf("server: %v", ended)
					if ctx.Err() != nil || ended == nil {
						t.Error("one of them didn't notice by itself")
					}
					text := strings.ToLower(errors.Join(err, ended).Error())
					joined := !strings.Contains(text, "connect: ")
					if joined && !strings.Contains(text, a.says) || !joined && !strings.Contains(text, "rail rxe") {
						t.Errorf("nobody speaks of %q", a.says)
					}
					if _, err := os.Lstat(filepath.Join(s.dst, "large")); !errors.Is(err, os.ErrNotExist) {
						t.Errorf("what didn't arrive has its name: %v", err)
					}
					if !server {
						s.honest(t, src, mine, size)
					}
					s.stop(t)
					if left := leaks(); len(left) != 0 {
						t.Errorf("left open: %v", left)
					}
				})
			}
		}
	}
}

// try sends on four streams, in frames small enough that each sends many.
func (s *served) try(ctx context.Context, t *testing.T, src string, devices verbs.Provider) (*engine.Report, error) {
	t.Helper()
	return s.send(ctx, t, src, func(c *engine.SendConfig) { c.Streams, c.Slots, c.SlotSize, c.RetryFor = 4, 4, 64<<10, time.Second }, over(devices))
}

// honest has the server take a transfer of an honest client.
func (s *served) honest(t *testing.T, src string, devices verbs.Provider, size int64) {
	t.Helper()
	r, err := s.try(t.Context(), t, src, devices)
	if err := errors.Join(err, s.next(t)); err != nil || r.Bytes != uint64(size) {
		t.Fatalf("an honest client after that: %v, %+v", err, r)
	}
	want, err := os.ReadFile(filepath.Join(src, "large"))
	check(t, err)
	got, err := os.ReadFile(filepath.Join(s.dst, "large"))
	check(t, err)
	if string(got) != string(want) {
		t.Error("what came of an honest client differs")
	}
}

// next is what the next session ended with.
func (s *served) next(t *testing.T) error {
	t.Helper()
	timer := time.NewTimer(hostileTime)
	defer timer.Stop()
	select {
	case err := <-s.ended:
		return err
	case <-timer.C:
		t.Fatal("the server's session goes on")
		return nil
	}
}
