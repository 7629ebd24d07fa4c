package engine

import (
	"errors"
	"scp_rdma/transport"
	"testing"
	"time"
)

// TestRoutesAreTriedInOrderAndRailsAgainWithPauses goes through a session's life
// without any clock but its own.
func TestRoutesAreTriedInOrderAndRailsAgainWithPauses(t *testing.T) {
	lanes := func(names ...string) *route {
		r := &route{transport: nameOnly{}}
		for _, n := range names {
			r.lanes = append(r.lanes, &lane{rail: n, count: &railCount{}})
		}
		return r
	}
	first, second := lanes("a", "b"), lanes("c")
	r := &routes{all: []*route{first, second}, retryFor: 10 * time.Second}
	a, b, c := first.lanes[0], first.lanes[1], second.lanes[0]
	now := time.Unix(1000, 0)
	broken := errors.New("broken")
	want := func(what string, stream uint32, l *lane, wait time.Duration) {
		t.Helper()
		got, err := r.choose(stream, now)
		if err != nil || got.lane != l || l == nil && got.until.Sub(now) != wait {
			t.Fatalf("%s: %+v (in %v), %v", what, got, got.until.Sub(now), err)
		}
	}
	want("at first its own", 0, a, 0)
	want("at first its own", 1, b, 0)
	want("by number", 2, a, 0)
	r.failed(a, broken, now)
	now = now.Add(5 * time.Second)
	want("a had its chance", 0, b, 0)
	r.joined(b)
	want("others run: its own again, for its pause is over", 0, a, 0)
	r.failed(a, broken, now)
	want("others run, wait", 0, nil, 2*lanePause)
	now = now.Add(2 * lanePause)
	want("then again", 0, a, 0)
	r.joined(a)
	r.progress()
	r.broke(a, broken, true, now)
	want("a first break is answered at once", 0, a, 0)
	r.failed(a, broken, now)
	r.broke(b, broken, true, now)
	want("nothing runs: b may be better", 0, b, 0)
	r.failed(b, broken, now)
	now = now.Add(time.Second)
	got, err := r.choose(0, now)
	if err != nil || got.lane != c || got.passed == nil {
		t.Fatalf("the next transport: %+v, %v", got, err)
	}
	r.joined(c)
	r.progress()
	want("the first one stays passed", 1, c, 0)
	r.broke(c, broken, true, now)
	began := now
	for n := range 100 {
		got, err := r.choose(0, now)
		if err != nil {
			if d := now.Sub(began); d <= r.retryFor || d > r.retryFor+lanePauseMax || n < 4 {
				t.Errorf("hopeless after %v and %d tries: %v", d, n, err)
			}
			return
		}
		if got.lane == nil {
			now = got.until
			continue
		}
		r.failed(got.lane, broken, now)
	}
	t.Error("it never gives up")
}

// The first time that nothing comes about anywhere is the end.
func TestWithoutAnyStreamAtTheStartThereIsNoSecondTry(t *testing.T) {
	l := &lane{rail: "a", count: &railCount{}}
	r := &routes{all: []*route{{transport: nameOnly{}, lanes: []*lane{l}}}, retryFor: time.Hour}
	now := time.Unix(1000, 0)
	r.failed(l, errors.New("broken"), now)
	if got, err := r.choose(0, now.Add(time.Minute)); err == nil {
		t.Errorf("%+v", got)
	}
}

// nameOnly is a transport of which only the name is asked for.
type nameOnly struct{ transport.Transport }

func (nameOnly) Name() string { return "name" }
