package transporttest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"scp_rdma/transport"
)

// Benchmark measures one stream of a world: large frames, which cost bytes, and
// small ones, which cost calls. Nothing is written into the frames, so that it
// is the transport that is measured.
func Benchmark(b *testing.B, w World) {
	for _, size := range []int{64 << 10, 256 << 10, 1 << 20, 4 << 20} {
		b.Run(fmt.Sprintf("slot=%dKiB", size>>10), func(b *testing.B) { w.throughput(b, 8, size, size) })
	}
	b.Run("small", func(b *testing.B) { w.throughput(b, 64, transport.MinSlotSize, 256) })
}

func (w World) throughput(b *testing.B, slots, size, data int) {
	ctx := b.Context()
	tx, rx, err := w.lane(ctx, slots, size)
	if err != nil {
		b.Fatal(err)
	}
	received := start(func() error {
		for {
			slot, err := rx.Recv(ctx)
			if err == nil {
				err = rx.Release(slot)
			}
			if err != nil {
				return errors.Join(err, rx.Close())
			}
		}
	})
	b.SetBytes(int64(data))
	b.ReportAllocs()
	for b.Loop() {
		slot, err := tx.Acquire(ctx)
		if err == nil {
			err = slot.SetLen(0, data)
		}
		if err == nil {
			err = tx.Send(ctx, slot)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(tx.Flush(ctx), tx.Close()); err != nil {
		b.Error(err)
	}
	<-received.done
}

// lane connects a sender of the initiator with its receiver.
func (w World) lane(ctx context.Context, slots, size int) (transport.SendStream, transport.RecvStream, error) {
	local, errL := w.Initiator.Probe(ctx)
	peer, errP := w.Responder.Probe(ctx)
	pairs, err := w.Initiator.Pair(local, peer, w.Control)
	if err := errors.Join(errL, errP, err); err != nil {
		return nil, nil, err
	}
	req := transport.OpenRequest{
		Pair: transport.RailPair{Local: pairs[0].Peer, Peer: pairs[0].Local}, Role: transport.Receiver,
		Key: make([]byte, 32), Slots: slots, SlotSize: size, Control: w.Control,
	}
	r, err := w.Responder.Open(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	req.Pair, req.Role, req.Initiator = pairs[0], transport.Sender, true
	i, err := w.Initiator.Open(ctx, req)
	if err != nil {
		return nil, nil, err
	}
	joined := async(func() (transport.Stream, error) { return r.Connect(ctx, i.Offer()) })
	tx, errI := i.Connect(ctx, r.Offer())
	rx := <-joined
	if err := errors.Join(errI, rx.err); err != nil {
		return nil, nil, err
	}
	return tx.(transport.SendStream), rx.v.(transport.RecvStream), nil
}
