package model

import "scp_rdma/transport"

// receiver is a stream's receiving end and its worker, which does what
// engine/receiver_work.go does, and the transport's Recv and Release.
type receiver struct {
	run    *run
	peer   *sender
	ledger *transport.RecvLedger

	inbox   []func() // what the worker has to do, in order
	working bool
	busy    instant // time spent at it
	from    instant // since when
}

// arrive takes a frame that is in its slot, or in the kernel.
func (r *receiver) arrive(slot uint32, frame uint64, n int) {
	work := func() { r.write(slot, n) }
	if r.run.cfg.Window > 0 { // the worker itself takes it out of the kernel
		work = func() {
			r.run.check(r.ledger.Arrive(epoch, slot, frame))
			r.write(slot, n)
		}
	} else {
		r.run.check(r.ledger.Arrive(epoch, slot, frame))
	}
	r.do(work)
}

// request takes a "writer blocked". A device's poller answers at once, a worker that
// reads a socket when it comes to it.
func (r *receiver) request() {
	answer := func() {
		if r.ledger.Request(epoch) {
			r.tell(true)
		}
	}
	if r.run.cfg.Window == 0 {
		answer()
		return
	}
	r.do(func() {
		answer()
		r.next()
	})
}

// do gives the worker something to do.
func (r *receiver) do(work func()) {
	r.inbox = append(r.inbox, work)
	if !r.working {
		r.working, r.from = true, r.run.clock.now
		r.next()
	}
}

func (r *receiver) next() {
	if len(r.inbox) == 0 {
		r.working = false
		r.busy += r.run.clock.now - r.from
		return
	}
	work := r.inbox[0]
	r.inbox = r.inbox[1:]
	work()
}

// write takes a frame to its file, and only then gives its slot back.
func (r *receiver) write(slot uint32, n int) {
	h := r.run.cfg.Receiver
	work := spanAt(n, h.Carry) + spanAt(n, h.Sum) + spanOf(h.Frame)
	r.run.recvCores.use(work, func() {
		r.run.files.take(func() {
			r.run.recvCores.use(spanAt(n, h.Write), func() {
				r.run.files.busy += spanAt(n, h.Write)
				r.run.files.give()
				r.run.target.use(r.run.access(n, h), func() { r.release(slot, n) })
			})
		})
	})
}

func (r *receiver) release(slot uint32, n int) {
	tell, err := r.ledger.Release(slot)
	r.run.check(err)
	r.run.released(n)
	if tell {
		r.tell(false)
	}
	r.next()
}

// tell sends the grant. Credits are small, and have the way back for themselves.
func (r *receiver) tell(answer bool) {
	count := r.ledger.Grant()
	r.ledger.Told()
	if answer {
		r.run.answers++
	} else {
		r.run.credits++
	}
	r.run.clock.after(spanOf(r.run.cfg.Delay), func() { r.peer.grant(count, answer) })
}
