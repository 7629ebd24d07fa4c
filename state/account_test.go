package state

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"scp_rdma/keys"
)

func opened(t *testing.T, s *Store, id keys.ID, limit int64) *Account {
	t.Helper()
	a, err := s.Account(id, "alice", limit)
	must(t, err)
	return a
}

func used(t *testing.T, s *Store, id keys.ID) int64 {
	t.Helper()
	tally, err := s.Used(id)
	must(t, err)
	return tally.Used
}

func TestAnAccountIsExactAndOutlivesItsServer(t *testing.T) {
	dir, id := filepath.Join(t.TempDir(), "state"), keys.New().ID()
	s := open(t, dir)
	a := opened(t, s, id, 1000)
	must(t, a.Take(600))
	must(t, a.Left(400))
	if err := a.Left(401); !errors.Is(err, ErrQuota) {
		t.Error(err)
	}
	if err := a.Take(401); !errors.Is(err, ErrQuota) || err.Error() != "alice has 400 B of 1000 B left, this needs 401 B: over the quota of the key" {
		t.Error(err)
	}
	a.Return(100)
	must(t, a.Take(0))
	must(t, a.Close())
	s = open(t, dir) // a restart
	if n := used(t, s, id); n != 500 {
		t.Errorf("%d used", n)
	}
	a = opened(t, s, id, 2000) // the operator allows more
	must(t, a.Take(1500))
	if err := a.Take(1); !errors.Is(err, ErrQuota) {
		t.Error(err)
	}
	must(t, a.Close())
	b := opened(t, s, id, 100) // and now less
	if err := b.Take(1); !errors.Is(err, ErrQuota) || !strings.Contains(err.Error(), "alice has 0 B of 100 B left") {
		t.Error(err)
	}
	must(t, b.Close())
	if n := used(t, s, id); n != 2000 {
		t.Errorf("%d used", n)
	}
	if other := used(t, s, keys.New().ID()); other != 0 {
		t.Errorf("another has %d", other)
	}
}

// A server that is killed has used what it had booked: too much is counted, never too little.
func TestAKilledServerHasNeverStoredMoreThanIsCounted(t *testing.T) {
	dir, id := filepath.Join(t.TempDir(), "state"), keys.New().ID()
	const limit = 64 << 10
	taken := int64(0)
	for {
		s := open(t, dir) // whose earlier one said nothing
		a := opened(t, s, id, limit)
		err := a.Take(100)
		if err != nil {
			if !errors.Is(err, ErrQuota) {
				t.Fatal(err)
			}
			break
		}
		taken += 100
		if n := used(t, s, id); n < taken || n > limit {
			t.Fatalf("%d used of %d, %d counted", taken, limit, n)
		}
	}
	if taken == 0 {
		t.Error("nothing was taken")
	}
}

// Sessions of one key, on two servers of one state: together never more than there is, and all
// of it where nobody has booked ahead.
func TestManySessionsShareAnAccount(t *testing.T) {
	dir, id := filepath.Join(t.TempDir(), "state"), keys.New().ID()
	const limit = 1 << 20
	servers := []*Store{open(t, dir), open(t, dir)}
	var stored, most atomic.Int64
	var wg sync.WaitGroup
	for i := range 8 {
		a := opened(t, servers[i%2], id, limit)
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(i), 1)) //nolint:gosec // not a secret
			for range 400 {
				n := rnd.Int64N(5000)
				switch err := a.Take(n); {
				case err == nil:
					if now := stored.Add(n); now > limit {
						t.Errorf("%d stored", now)
					}
					if rnd.IntN(3) == 0 {
						stored.Add(-n)
						a.Return(n)
					}
				case !errors.Is(err, ErrQuota):
					t.Error(err)
				}
			}
			most.Store(max(most.Load(), stored.Load()))
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := used(t, servers[0], id); n != stored.Load() {
		t.Errorf("%d counted, %d stored", n, stored.Load())
	}
	if most.Load() < limit-2*limit/64-5000 {
		t.Errorf("no more than %d of %d were stored", most.Load(), limit)
	}
}

func TestAnAccountThatIsBegunAnewForgetsWhatWasBookedAhead(t *testing.T) {
	dir, id := filepath.Join(t.TempDir(), "state"), keys.New().ID()
	s := open(t, dir)
	a := opened(t, s, id, 64000)
	must(t, a.Take(63000))
	must(t, open(t, dir).Forgive(id, "alice")) // another process
	must(t, a.Take(62000))
	must(t, a.Close())
	if n := used(t, s, id); n != 62000 {
		t.Errorf("%d used", n)
	}
}

func TestADamagedAccountGivesNothing(t *testing.T) {
	dir, id := filepath.Join(t.TempDir(), "state"), keys.New().ID()
	s := open(t, dir)
	a := opened(t, s, id, 1000)
	must(t, os.WriteFile(tallyFile(s.accounts, id), []byte("{}"), 0o600))
	for _, err := range []error{a.Take(1), a.Left(1)} {
		if !errors.Is(err, errTally) || !strings.Contains(err.Error(), "--reset") {
			t.Error(err)
		}
	}
	must(t, s.Forgive(id, "alice"))
	must(t, a.Take(1))
	must(t, a.Close())
}

func FuzzParseTally(f *testing.F) {
	f.Add([]byte(`{"version":1,"name":"a","used":5,"since":"2026-11-30T14:00:00.5Z"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if tally, err := parseTally(text); err == nil && (tally.Used < 0 || tally.Since == "" || tally.Version != tallyVersion) {
			t.Errorf("%q: %+v", text, tally)
		} else if err != nil && !errors.Is(err, errTally) {
			t.Error(err)
		}
	})
}
