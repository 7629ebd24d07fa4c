package verbs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"scp_rdma/transport"
	"scp_rdma/wire"
)

// What was posted before the card got a smaller MTU is not waited for, and the next
// stream goes by the new one, though the first is still there.
func TestAPortWhoseMTUBecomesSmallerEndsTheStream(t *testing.T) {
	near, _, s, _ := joined(t, func(*Config) {})
	near.SetMTU("rxe0", 512)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := post(ctx, s, 8000)
	if err == nil {
		err = s.Flush(ctx)
	}
	if !errors.Is(err, transport.ErrPeerGone) || !strings.Contains(err.Error(), "MTU of port 1 has become 512 bytes") || !strings.Contains(err.Error(), "rxe0") {
		t.Errorf("flush: %v", err)
	}
	l := s.(*sendStream).link
	req := l.req
	req.Epoch++
	again, err := l.d.t.Open(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if o, err := wire.ParseVerbsOffer(again.Offer()); err != nil || o.MTU != 512 {
		t.Errorf("the next offer: %+v, %v", o, err)
	}
}

// An MTU that has changed is found by the next stream once one has ended.
func TestAPortIsAskedAgainOnceAStreamHasEnded(t *testing.T) {
	near, _, s, _ := joined(t, func(*Config) {})
	l := s.(*sendStream).link
	open := func(stream uint32) transport.Endpoint {
		t.Helper()
		req := l.req
		req.Stream = stream
		e, err := l.d.t.Open(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	second := open(1)
	near.SetMTU("rxe0", 512)
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	third := open(2)
	defer third.Close()
	if o, err := wire.ParseVerbsOffer(third.Offer()); err != nil || o.MTU != 512 {
		t.Errorf("the next offer: %+v, %v", o, err)
	}
}
