package engine

import (
	"testing"
	"testing/synctest"
	"time"

	"scp_rdma/wire"
)

// rung says whether the outbox has rung since it was asked last.
func rung(o *outbox) bool {
	synctest.Wait()
	select {
	case <-o.filled:
		return true
	default:
		return false
	}
}

func TestUnitsThatEndNoFileWaitForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutbox()
		o.result([]uint64{1}, nil, nil)
		if rung(&o) {
			t.Error("a unit in the middle of a file is told at once")
		}
		<-time.After(linger)
		if !rung(&o) {
			t.Fatal("a unit is never told")
		}
		if _, res, _ := o.take(); len(res.Units) != 1 {
			t.Errorf("%d units", len(res.Units))
		}
		for i := range uint64(lingerUnits) {
			o.result([]uint64{i}, nil, nil)
		}
		if !rung(&o) {
			t.Error("enough units for a message still wait")
		}
		o.take()
		<-time.After(2 * linger)
		if rung(&o) {
			t.Error("it rings for units that were taken")
		}
	})
}

func TestWhatSomebodyWaitsForIsToldAtOnce(t *testing.T) {
	says := map[string]func(*outbox){
		"the end of a file": func(o *outbox) { o.result([]uint64{2}, nil, []wire.Result{{ID: 7}}) },
		"a damaged frame":   func(o *outbox) { o.result(nil, []uint64{2}, nil) },
		"an answer":         func(o *outbox) { o.answer(wire.Answer{ID: 7}) },
		"a stream's end":    func(o *outbox) { o.fenced(wire.Fenced{Stream: 1}) },
	}
	for what, say := range says {
		synctest.Test(t, func(t *testing.T) {
			o := newOutbox()
			o.result([]uint64{1}, nil, nil)
			say(&o)
			if !rung(&o) {
				t.Errorf("%s waits", what)
			}
			if _, res, _ := o.take(); len(res.Units) == 0 || res.Units[0] != 1 {
				t.Errorf("%s goes before the unit that waited: %v", what, res.Units)
			}
		})
	}
}
