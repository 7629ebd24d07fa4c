package mem_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/transport/transporttest"
)

func TestConformance(t *testing.T) {
	transporttest.Run(t, transporttest.Config{World: func(*testing.T) transporttest.World {
		tr := mem.New("m0", "m1")
		return transporttest.World{Initiator: tr, Responder: tr}
	}})
}

// joined opens a stream and joins its ends.
func joined(t *testing.T, tr *mem.Transport, slots int) (transport.SendStream, transport.RecvStream) {
	t.Helper()
	rails, err := tr.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	req := transport.OpenRequest{Pair: transport.RailPair{Local: rails[0], Peer: rails[0]}, Role: transport.Receiver,
		Key: make([]byte, 32), Slots: slots, SlotSize: 4096}
	r, errR := tr.Open(t.Context(), req)
	req.Role, req.Initiator = transport.Sender, true
	i, errI := tr.Open(t.Context(), req)
	if err := errors.Join(errR, errI); err != nil {
		t.Fatal(err)
	}
	far := make(chan transport.Stream, 1)
	go func() {
		st, _ := r.Connect(t.Context(), i.Offer())
		far <- st
	}()
	near, err := i.Connect(t.Context(), r.Offer())
	st := <-far
	if err != nil || st == nil {
		t.Fatalf("connect: %v", err)
	}
	return near.(transport.SendStream), st.(transport.RecvStream)
}

// What was sent is sent: a slot that is written too early must not look right
// here and be wrong on a NIC.
func TestASentFrameIsACopy(t *testing.T) {
	tx, rx := joined(t, mem.New(), 1)
	slot, err := tx.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := slot.SetLen(4, 4); err != nil {
		t.Fatal(err)
	}
	copy(slot.Bytes(), "headdata")
	if err := tx.Send(t.Context(), slot); err != nil {
		t.Fatal(err)
	}
	copy(slot.Bytes(), "too late")
	got, err := rx.Recv(t.Context())
	if err != nil || string(got.Bytes()) != "headdata" {
		t.Errorf("received %q, %v", got.Bytes(), err)
	}
}

func BenchmarkStream(b *testing.B) {
	tr := mem.New()
	transporttest.Benchmark(b, transporttest.World{Initiator: tr, Responder: tr})
}

// What Faulty decorates is a transport still.
func TestConformanceUnderFaulty(t *testing.T) {
	transporttest.Run(t, transporttest.Config{World: func(*testing.T) transporttest.World {
		tr := mem.New("m0", "m1")
		plan := transporttest.Plan{Delay: time.Microsecond}
		return transporttest.World{Initiator: transporttest.Faulty(tr, plan), Responder: transporttest.Faulty(tr, plan)}
	}})
}

// So is what Throttle decorates.
func TestConformanceUnderThrottle(t *testing.T) {
	transporttest.Run(t, transporttest.Config{World: func(*testing.T) transporttest.World {
		tr := transporttest.Throttle(mem.New("m0", "m1"), 1)
		tr.Rate("m0", 1<<30)
		tr.Jitter("m0", 2)
		return transporttest.World{Initiator: tr, Responder: tr}
	}})
}

// Every other credit, request and answer is lost: a sender that is blocked asks until it hears.
func TestLostCreditsAreAskedForAgain(t *testing.T) {
	for _, slots := range []int{1, 2, 7} {
		const frames = 500
		tr := mem.New().Lossy(2, uint64(slots))
		tx, rx := joined(t, tr, slots)
		received := make(chan error, 1)
		go func() {
			for n := range uint64(frames) {
				slot, err := rx.Recv(t.Context())
				if err == nil && slot.Frame != n {
					err = fmt.Errorf("frame %d in place of %d", slot.Frame, n)
				}
				if err == nil {
					err = rx.Release(slot)
				}
				if err != nil {
					received <- err
					return
				}
			}
			_, err := rx.Recv(t.Context())
			received <- err
		}()
		for range frames {
			slot, err := tx.Acquire(t.Context())
			if err == nil {
				err = tx.Send(t.Context(), slot)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(tx.Flush(t.Context()), tx.Close()); err != nil {
			t.Fatal(err)
		}
		if err := <-received; !errors.Is(err, io.EOF) {
			t.Errorf("%d slots: %v", slots, err)
		}
		if tr.Lost() < 50 {
			t.Errorf("%d slots: only %d were lost", slots, tr.Lost())
		}
	}
}
