//go:build cgo && !noverbs && linux && (amd64 || arm64)

package ibv

/*
#include "lib.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

// Events are acknowledged in batches, for each acknowledgement takes a mutex of
// the library (ibv_ack_cq_events(3)); what is left over is acknowledged by Close.
const ackBatch = 64

// pollBatch bounds the completions of one call.
const pollBatch = 64

// CQ is a completion queue with a channel of its own (ibv_create_cq(3)).
type CQ struct {
	d       *Device
	h       *handle
	ch      *C.struct_ibv_comp_channel
	chh     *handle
	cq      *C.struct_ibv_cq
	events  *events
	unacked C.uint // owned by whoever waits; by Close when nobody can any more
	mu      sync.Mutex
	raw     [pollBatch]C.struct_ibv_wc // scratch of Poll
}

// CreateCQ makes a queue of at least n completions.
func (d *Device) CreateCQ(n int) (nic.CQ, error) {
	c := &CQ{d: d}
	lib := d.p.lib
	var err error
	c.chh, err = grow("completion channel of "+d.name, func() unix.Errno { return unix.Errno(C.lib_create_channel(lib, d.ctx, &c.ch)) }, d.h)
	if err != nil {
		return nil, err
	}
	if c.events, err = newEvents(int(c.ch.fd), d.name+" completions"); err != nil {
		return nil, errors.Join(err, c.closeChannel())
	}
	c.h, err = grow(fmt.Sprintf("CQ of %s (%d)", d.name, n), func() unix.Errno {
		return unix.Errno(C.lib_create_cq(lib, d.ctx, C.int(n), c.ch, &c.cq))
	}, c.chh)
	if err != nil {
		c.events.close()
		return nil, errors.Join(err, c.closeChannel())
	}
	return c, nil
}

func (c *CQ) closeChannel() error {
	return c.chh.end(func() unix.Errno { return unix.Errno(C.lib_destroy_channel(c.d.p.lib, c.ch)) })
}

// Poll takes completions without waiting, at most len(batch) and 64: one call
// of C (ibv_poll_cq(3)). 0 says that the queue is empty.
func (c *CQ) Poll(batch []nic.WC) (int, error) {
	var got C.int
	if len(batch) == 0 {
		return 0, nil
	}
	err := c.h.use("poll", func() unix.Errno {
		c.mu.Lock()
		defer c.mu.Unlock()
		errno := unix.Errno(C.lib_poll(c.cq, C.int(min(len(batch), pollBatch)), &c.raw[0], &got))
		for i := range int(got) {
			r := &c.raw[i]
			batch[i] = nic.WC{
				ID: uint64(r.wr_id), Status: nic.Status(r.status), Opcode: nic.Opcode(r.opcode),
				ByteLen: uint32(r.byte_len), VendorErr: uint32(r.vendor_err), QPN: uint32(r.qp_num),
			}
			if batch[i].Opcode == nic.OpRecvImm {
				batch[i].Imm = network(r.anon0)
			}
		}
		return errno
	})
	return int(got), err
}

// network reads a number in network byte order.
func network(b [4]byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

// Arm asks for one event at the next completion (ibv_req_notify_cq(3)). What
// came before it makes none: poll again after it, then Wait.
func (c *CQ) Arm() error {
	return c.h.use("arm", func() unix.Errno { return unix.Errno(C.lib_arm(c.cq)) })
}

// Wait waits for the event that Arm asked for (ibv_get_cq_event(3)), in Go's
// poller. It ends with ctx, and with os.ErrClosed when the queue is closed.
func (c *CQ) Wait(ctx context.Context) error {
	err := c.events.wait(ctx, func() unix.Errno {
		errno := unix.Errno(C.lib_cq_event(c.d.p.lib, c.ch))
		if errno == 0 {
			c.unacked++
		}
		if c.unacked == ackBatch {
			c.ack()
		}
		return errno
	})
	if err != nil {
		return fmt.Errorf("wait for completions of %s: %w", c.d.name, err)
	}
	return nil
}

func (c *CQ) ack() {
	if c.unacked > 0 {
		C.lib_ack_cq(c.d.p.lib, c.cq, c.unacked)
	}
	c.unacked = 0
}

// Close ends a Wait in progress, acknowledges all events, without which
// ibv_destroy_cq(3) would wait for ever, and destroys queue and channel. It is
// refused (EBUSY) while a QP stands on the queue.
func (c *CQ) Close() error {
	err := c.h.end(func() unix.Errno {
		c.events.close()
		c.ack()
		return unix.Errno(C.lib_destroy_cq(c.d.p.lib, c.cq))
	})
	if err != nil {
		return err
	}
	return c.closeChannel()
}
