package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"scp_rdma/control"
	"scp_rdma/keys"
)

func TestQuotaIsKeptWhateverComesAndGoes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // not a secret
	q := newQuota(Quota{Sessions: 20, PerKey: 7, Memory: 1 << 30})
	type held struct {
		id     keys.ID
		memory int64
		free   func()
	}
	var open []held
	for range 20_000 {
		if len(open) > 0 && rnd.IntN(2) == 0 {
			i := rnd.IntN(len(open))
			open[i].free()
			open[i].free() // once more changes nothing
			open = append(open[:i], open[i+1:]...)
		} else if id := (keys.ID{byte(rnd.IntN(5))}); true {
			if memory, free, err := q.take(id, 128<<20); err == nil {
				open = append(open, held{id, memory, free})
			} else if !errors.As(err, new(*control.BusyError)) {
				t.Fatal(err)
			}
		}
		var memory int64
		perKey := map[keys.ID]int{}
		for _, h := range open {
			perKey[h.id]++
			memory += h.memory
			if perKey[h.id] > 7 || h.memory < minSessionMemory || h.memory > 128<<20 {
				t.Fatalf("%d sessions of a key, %d bytes of one", perKey[h.id], h.memory)
			}
		}
		if len(open) > 20 || memory > 1<<30 || q.memory != 1<<30-memory || q.sessions != len(open) {
			t.Fatalf("%d sessions, %d bytes", len(open), memory)
		}
	}
}

// What is booked stays booked when there is less than that, and comes back.
func TestAQuotaCanShrinkBelowWhatIsBooked(t *testing.T) {
	q := newQuota(Quota{Sessions: 9, PerKey: 9, Memory: 8 * minSessionMemory})
	var all []func()
	for range 4 {
		_, free, err := q.take(keys.ID{}, minSessionMemory)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, free)
	}
	q.change(Quota{Sessions: 9, PerKey: 9, Memory: minSessionMemory})
	if _, _, err := q.take(keys.ID{}, minSessionMemory); !errors.As(err, new(*control.BusyError)) {
		t.Error(err)
	}
	for _, free := range all {
		free()
	}
	if q.memory != minSessionMemory {
		t.Errorf("%d bytes left", q.memory)
	}
	if _, _, err := q.take(keys.ID{}, minSessionMemory); err != nil {
		t.Error(err)
	}
}

func TestEachLimitOfAQuotaIsNamed(t *testing.T) {
	for flag, q := range map[string]Quota{
		"--max-sessions)":         {Sessions: 2},
		"--max-sessions-per-key)": {PerKey: 2},
		"--max-memory)":           {Memory: 2 * minSessionMemory},
	} {
		q := newQuota(q.withDefaults())
		for range 2 {
			if _, _, err := q.take(keys.ID{}, minSessionMemory); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := q.take(keys.ID{}, minSessionMemory); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
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
