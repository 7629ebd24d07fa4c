package state

import (
	"errors"
	"fmt"
	"sync"

	"scp_rdma/keys"
)

// ErrQuota: a key may not store so much more.
var ErrQuota = errors.New("over the quota of the key")

// ahead is how much is booked in the file at once, so that the disk is not asked for every
// file: at most ahead bytes, and a 64th of the quota. What a server that was killed had booked
// and not used counts as used.
const ahead = 256 << 20

// Account is the part that one session has in the account of a key. What the account's file
// says is what all sessions of all servers of this state have booked.
type Account struct {
	of    *account
	name  string
	limit int64
}

// account is that of a key, for all sessions of this process.
type account struct {
	store *Store
	id    keys.ID

	mu       sync.Mutex
	sessions int
	used     int64  // as the file has it, which is so much more than is used:
	rest     int64  // booked there and not taken yet
	since    string // of the file: an operator may begin it anew
}

// Account opens the account of a key, of which limit bytes may be stored in all. name is for
// people. Close ends it.
func (s *Store) Account(id keys.ID, name string, limit int64) (*Account, error) {
	if err := private(s.accounts); err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.accountsOpen[id]
	if a == nil {
		a = &account{store: s, id: id}
		s.accountsOpen[id] = a
	}
	a.sessions++
	return &Account{a, name, limit}, nil
}

// Take books n bytes, which is on the disk before it returns. The error Is ErrQuota if there are
// not so many left.
func (a *Account) Take(n int64) error {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	if n <= a.of.rest && a.of.used-a.of.rest+n <= a.limit {
		a.of.rest -= n
		return nil
	}
	return a.of.store.tally(a.of.id, func(t *Tally) error {
		a.of.seen(t)
		left := a.limit - (t.Used - a.of.rest)
		if n > left {
			return a.over(left, n)
		}
		// Never more than may be used: others have their part of that.
		more := max(min(n+min(ahead, a.limit/64), left)-a.of.rest, 0)
		t.Used += more
		t.Name = a.name
		a.of.used, a.of.rest = t.Used, a.of.rest+more-n
		return nil
	})
}

// Left says why n bytes can't be taken now; nil: they can.
func (a *Account) Left(n int64) error {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	if n <= a.of.rest && a.of.used-a.of.rest+n <= a.limit {
		return nil
	}
	t, err := a.of.store.readTally(a.of.id)
	if err != nil {
		return err
	}
	a.of.seen(&t)
	if left := a.limit - (t.Used - a.of.rest); n > left {
		return a.over(left, n)
	}
	return nil
}

func (a *Account) over(left, n int64) error {
	return fmt.Errorf("%s has %s of %s left, this needs %s: %w", a.name, sizeText(max(left, 0)), sizeText(a.limit), sizeText(n), ErrQuota)
}

// Return gives back what was taken and has not stayed.
func (a *Account) Return(n int64) {
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	a.of.rest += n
}

// Close ends the session's part. With the last one what is booked and not used goes back.
func (a *Account) Close() error {
	s := a.of.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.of.sessions--; a.of.sessions > 0 {
		return nil
	}
	delete(s.accountsOpen, a.of.id)
	a.of.mu.Lock()
	defer a.of.mu.Unlock()
	if a.of.rest == 0 {
		return nil
	}
	return s.tally(a.of.id, func(t *Tally) error {
		a.of.seen(t)
		t.Used = max(t.Used-a.of.rest, 0)
		a.of.rest = 0
		return nil
	})
}

// seen takes up what the file says. What was booked before an operator began the account anew
// is not in it any more.
func (a *account) seen(t *Tally) {
	if a.since != t.Since {
		a.rest = 0
	}
	a.since, a.used = t.Since, t.Used
}

// sizeText is a number of bytes for people (IEC 80000-13).
func sizeText(n int64) string {
	if n < 1024 {
		return fmt.Sprintf("%d B", n)
	}
	v := float64(n)
	for _, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v /= 1024; v < 1023.95 {
			return fmt.Sprintf("%.1f %s", v, unit)
		}
	}
	return fmt.Sprintf("%.1f PiB", v/1024)
}
