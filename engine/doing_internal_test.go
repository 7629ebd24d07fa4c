package engine

import (
	"testing"
	"testing/synctest"
	"time"
)

// What is lost is the time in which all wait, and it is the walk's or the receiver's.
func TestOnlyWhatAllWaitForIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSender(SendConfig{})
		s.clocks.begin(2, s.started)
		a, b := s.clocks.of(0), s.clocks.of(1)
		wait := func(d time.Duration) { <-time.After(d) }
		begin := func(c *clock) { c.to(DoingIdle); s.crowd.change(0, 1) }
		end := func(c *clock, d Doing) { c.to(d); s.crowd.change(0, -1) }
		wait(time.Second)
		a.to(DoingRead)
		b.to(DoingCredits)
		s.crowd.change(2, 0)
		wait(2 * time.Second)
		begin(a)
		wait(3 * time.Second) // spare: b still works
		begin(b)
		wait(4 * time.Second) // lost, and the walk does nothing
		s.walking.to(DoingWalk)
		wait(5 * time.Second)
		if got := s.spent(); got[DoingWalk] != 10*time.Second || got[DoingAnswers] != 8*time.Second || got[DoingIdle] != 3*time.Second {
			t.Errorf("meanwhile %v", got)
		}
		end(b, DoingSend)
		wait(6 * time.Second)
		end(a, DoingEnd)
		s.crowd.change(-1, 0)
		b.to(DoingEnd)
		s.crowd.change(-1, 0)
		wait(time.Hour)
		want := Spent{
			DoingJoin: 2 * time.Second, DoingRead: 2 * time.Second, DoingCredits: 5 * time.Second, DoingSend: 6 * time.Second,
			DoingWalk: 10 * time.Second, DoingAnswers: 8 * time.Second, DoingIdle: 9 * time.Second, DoingEnd: 2 * time.Hour,
		}
		if got := s.spent(); got != want || got.Sum() != 33*time.Second {
			t.Errorf("%v, want %v", got, want)
		}
	})
}

// A peer may open streams without end: of those that have ended only the sum is kept.
func TestStreamsThatEndedAreASum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		base := time.Now()
		in := inClocks{crowd: newCrowd(base, nil)}
		for i := range uint32(100) {
			key := streamKey{i % 3, i}
			in.begin(key, base).to(DoingWrite)
			<-time.After(time.Second)
			in.end(key)
		}
		in.begin(streamKey{7, 1}, base)
		in.begin(streamKey{5, 1}, base)
		if s := in.spent(); len(in.running) != 2 || s[DoingWrite] != 100*time.Second {
			t.Errorf("%d running, %v", len(in.running), s)
		}
		if r := in.reports(); len(r) != 2 || r[0].Stream != 5 || r[1].Stream != 7 {
			t.Errorf("%+v", r)
		}
	})
}

// What it costs to account for one change.
func BenchmarkClock(b *testing.B) {
	base := time.Now()
	c := newClock(base)
	for b.Loop() {
		c.to(DoingRead)
		c.to(DoingSend)
	}
}
