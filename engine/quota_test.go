package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"scp_rdma/control"
	"scp_rdma/keys"
	"scp_rdma/transport"
)

func TestAQuotaIsKeptWhateverComesAndGoes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // not a secret
	q := newQuota(Quota{Sessions: 20, PerKey: 7, Memory: 1 << 30})
	var open []*seat
	for range 20_000 {
		if len(open) > 0 && rnd.IntN(2) == 0 {
			i := rnd.IntN(len(open))
			open[i].free()
			open[i].free() // once more changes nothing
			open = append(open[:i], open[i+1:]...)
		} else if s, err := q.take(keys.ID{byte(rnd.IntN(5))}); err == nil {
			open = append(open, s)
		} else if !errors.As(err, new(*control.BusyError)) {
			t.Fatal(err)
		}
		perKey := map[keys.ID]int{}
		for _, s := range open {
			if perKey[s.id]++; perKey[s.id] > 7 {
				t.Fatalf("%d sessions of a key", perKey[s.id])
			}
		}
		if len(open) > 20 || q.sessions != len(open) || len(q.budget.spenders) != len(open) {
			t.Fatalf("%d sessions, %d booked", len(open), q.sessions)
		}
	}
}

// A client that does not make room has what it got until it goes, and only as much as leaves
// room for others.
func TestAClientOfOldHasItsMemoryToItself(t *testing.T) {
	q := newQuota(Quota{Sessions: 8, PerKey: 8, Memory: 64 << 20})
	old, err := q.take(keys.ID{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := old.limit(Limits{Memory: 128 << 20, SlotSize: 16 << 20}, false)
	if err != nil || l.Memory > 64<<20 || l.Memory < q.floor() || l.SlotSize != 16<<20 {
		t.Fatalf("%+v, %v", l, err)
	}
	if done, err := old.lease(t.Context(), newLease(0, 9, 1<<20, nil)); err != nil || q.budget.used != l.Memory {
		t.Errorf("%v, %d booked", err, q.budget.used)
	} else {
		done()
	}
	if _, err := q.take(keys.ID{}); err == nil {
		t.Fatal("another session is promised what is not there")
	}
	old.free()
	other := mustTake(t, q)
	if l, err = other.limit(Limits{Memory: 128 << 20, SlotSize: 16 << 20}, true); err != nil || l.Memory != 64<<20 || int64(l.SlotSize)+transport.HeadRoom > 64<<20/8/floorSlots {
		t.Errorf("%+v, %v", l, err)
	}
	other.free()
	if q.budget.used != 0 || q.budget.aside != 0 {
		t.Errorf("%d bytes are booked", q.budget.used)
	}
}

func TestEachLimitOfAQuotaIsNamed(t *testing.T) {
	for flag, q := range map[string]Quota{
		"--max-sessions)":         {Sessions: 2},
		"--max-sessions-per-key)": {PerKey: 2},
		"--max-memory)":           {Memory: 2 * floorSlots * (fitSlot + transport.HeadRoom)},
	} {
		q := newQuota(q.withDefaults())
		for range 2 {
			if _, err := q.take(keys.ID{}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := q.take(keys.ID{}); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
}

// However much each has, all sessions that there may be have a few slots.
func TestSlotsAreSmallEnoughForAllSessions(t *testing.T) {
	for _, sessions := range []int{1, 2, 16, 64, 1000} {
		for memory := int64(16 << 20); memory <= 4<<30; memory *= 2 {
			q := Quota{Sessions: sessions, Memory: memory}
			size := q.slotSize()
			if size%4096 != 0 || size < fitSlot || size > transport.MaxSlotSize {
				t.Errorf("%+v: slots of %d", q, size)
			}
			if size > fitSlot && q.floor()*int64(sessions) > memory {
				t.Errorf("%+v: %d sessions of %d bytes", q, sessions, q.floor())
			}
		}
	}
}

// Who waits for room waits no longer than the other side does, and not at all for those who
// are gone.
func TestAWaitForMemoryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQuota(Quota{Sessions: 2, PerKey: 2, Memory: 32 << 20})
		first, second := mustTake(t, q), mustTake(t, q)
		told := 0
		done, err := first.lease(t.Context(), newLease(0, 8, q.slotSize(), func(int) { told++ }))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = second.lease(t.Context(), newLease(0, 4, q.slotSize(), nil))
		if short := new(shortError); !errors.As(err, &short) || short.slots != 0 || time.Since(start) != leaseWait || told != 1 {
			t.Errorf("%v after %v, told %d times", err, time.Since(start), told)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errDone)
		if _, err := second.lease(ctx, newLease(0, 4, q.slotSize(), nil)); !errors.Is(err, errDone) {
			t.Error(err)
		}
		time.AfterFunc(time.Second, done)
		start = time.Now()
		done2, err := second.lease(t.Context(), newLease(0, 4, q.slotSize(), nil))
		if err != nil || time.Since(start) != time.Second || told != 1 {
			t.Errorf("%v after %v, told %d times", err, time.Since(start), told)
		}
		done2()
		if q.budget.used != 0 || len(q.budget.queue) != 0 {
			t.Errorf("%+v", &q.budget)
		}
	})
}

func mustTake(t *testing.T, q *quota) *seat {
	t.Helper()
	s, err := q.take(keys.ID{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhenToAskAgain(t *testing.T) {
	busy := fmt.Errorf("x: %w", &control.BusyError{Text: "y"})
	dropped := fmt.Errorf("x: %w", control.ErrDropped)
	var r retries
	last := time.Duration(0)
	for i := range 20 {
		pause, again := r.after(busy, time.Hour)
		if !again || pause < last/4 || pause > busyPauseMax || pause < busyPause/2 {
			t.Errorf("try %d: %v, %v after %v", i, pause, again, last)
		}
		last = pause
	}
	for i := range maxDropped + 3 {
		if _, again := r.after(dropped, time.Hour); again != (i < maxDropped) {
			t.Errorf("dropped %d times, again %v", i, again)
		}
	}
	if pause, again := r.after(busy, 3*time.Millisecond); !again || pause > 3*time.Millisecond {
		t.Errorf("with little time left: %v, %v", pause, again)
	}
	for _, err := range []error{nil, errors.New("x"), control.ErrAuth, ErrPeerLost} {
		if _, again := (&retries{}).after(err, time.Hour); again {
			t.Errorf("%v: again", err)
		}
	}
	if _, again := (&retries{}).after(busy, 0); again {
		t.Error("again without time")
	}
}
