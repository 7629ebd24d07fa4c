package mem_test

import (
	"errors"
	"testing"

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

// What was sent is sent: a slot that is written too early must not look right
// here and be wrong on a NIC.
func TestASentFrameIsACopy(t *testing.T) {
	tr := mem.New()
	rails, err := tr.Probe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	req := transport.OpenRequest{Pair: transport.RailPair{Local: rails[0], Peer: rails[0]}, Role: transport.Receiver,
		Key: make([]byte, 32), Slots: 1, SlotSize: 4096}
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
	tx, rx := near.(transport.SendStream), st.(transport.RecvStream)
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
