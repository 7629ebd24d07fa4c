package engine_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"scp_rdma/engine"
	"scp_rdma/localfs"
)

// purse is an Allowance that lasts as long as its test.
type purse struct {
	limit    int64
	blind    bool // Left says yes to all
	sessions atomic.Int64

	mu   sync.Mutex
	used int64
}

var errEmpty = errors.New("nothing left")

func (p *purse) Take(n int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.used+n > p.limit {
		return errEmpty
	}
	p.used += n
	return nil
}

func (p *purse) Return(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used -= n
}

func (p *purse) Left(n int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.blind && p.used+n > p.limit {
		return errEmpty
	}
	return nil
}

func (p *purse) Close() error { p.sessions.Add(-1); return nil }

// holds compares what is booked with what the files that are there need.
func (p *purse) holds(t *testing.T, k *kit) (stored int64) {
	t.Helper()
	err := filepath.WalkDir(k.dst, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.Contains(path, ".scp_rdma.") {
			return err
		}
		st, err := d.Info()
		if err == nil {
			stored += st.Size()
		}
		return err
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil || stored != p.used || stored > p.limit || p.sessions.Load() != 0 {
		t.Errorf("%d bytes are there, %d are booked of %d, by %d sessions: %v", stored, p.used, p.limit, p.sessions.Load(), err)
	}
	return stored
}

// Whoever comes first has it, to the last byte, whatever comes at once and however large it is;
// and it is seen in time also if nobody says so beforehand.
func TestSessionsThatShareAnAllowanceNeverStoreMore(t *testing.T) {
	for _, verify := range []bool{false, true} {
		for _, blind := range []bool{false, true} {
			p := &purse{limit: 3 << 20, blind: blind}
			k := start(t, func(k *kit) { k.purse = p })
			var wg sync.WaitGroup
			var failed atomic.Uint64
			for i := range 3 {
				dir := t.TempDir()
				files := map[string]string{"large": noise(1 << 20), "empty": ""}
				for j := range 60 {
					files[fmt.Sprintf("d%d/f%d", j%7, j)] = noise(997 * j % 70_000)
				}
				write(t, dir, files)
				wg.Go(func() {
					r, _, err := k.push(contents(t, dir), func(c *engine.SendConfig) {
						c.Target.Path, c.Streams, c.SlotSize, c.Verify = fmt.Sprintf("to%d", i), 2, 64<<10, verify
					})
					if err != nil {
						t.Error(err)
						return
					}
					failed.Add(r.Failed)
				})
			}
			wg.Wait()
			for range 3 {
				waitOn(t, k.sessions)
			}
			if stored := p.holds(t, k); stored < p.limit-1<<20 || failed.Load() == 0 {
				t.Errorf("verify %v, blind %v: %d stored of %d, %d failed", verify, blind, stored, p.limit, failed.Load())
			}
		}
	}
}

// stingy takes nothing that is whole, and no end of what comes in pieces.
type stingy struct{ engine.Sink }

func (stingy) PutFile(localfs.Put, []byte) error { return fs.ErrPermission }

func (s stingy) CreateFile(p localfs.Put) (localfs.PendingFile, error) {
	f, err := s.Sink.CreateFile(p)
	return unnamed{f}, err
}

type unnamed struct{ localfs.PendingFile }

func (unnamed) Commit() error { return fs.ErrPermission }

func TestWhatDoesNotStayIsGivenBack(t *testing.T) {
	p := &purse{limit: 4 << 20}
	k := start(t, func(k *kit) { k.purse = p; k.sink = func(s engine.Sink) engine.Sink { return stingy{s} } })
	dir := t.TempDir()
	write(t, dir, map[string]string{"large": noise(3 << 20), "small": "s"})
	r, _, err := k.push(contents(t, dir))
	waitOn(t, k.sessions)
	if err != nil || r.Failed != 2 {
		t.Errorf("%v, %+v", err, r)
	}
	p.holds(t, k)
}

// Half a file counts with what is there of it, and the rest when it is gone on with.
func TestHalfAFileIsBookedOnce(t *testing.T) {
	const large = 48 << 20
	p := &purse{limit: large + 1}
	m := newStateful()
	k := start(t, remembering(m), func(k *kit) { k.purse = p })
	dir := t.TempDir()
	write(t, dir, map[string]string{"large": random(large), "small": "s"})
	old(t, dir)
	k.broken(m, dir, 30)
	p.mu.Lock()
	if p.used < 20<<20 || p.used >= large {
		t.Errorf("%d booked", p.used)
	}
	p.mu.Unlock()
	r, w, err := k.push(contents(t, dir))
	waitOn(t, k.sessions)
	if err != nil || r.Failed > 0 {
		t.Fatalf("%v, %+v, %v", err, r, w.problems)
	}
	same(t, dir, k.dst)
	p.holds(t, k)
}
