package model

import (
	"fmt"
	"math/rand/v2"
	"time"

	"scp_rdma/transport"
)

// run is one transfer under way.
type run struct {
	cfg   Config
	clock clock
	dice  *rand.Rand

	sendCores, recvCores *resource
	source, target       *resource
	files                *resource
	rails                []*rail
	senders              []*sender
	receivers            []*receiver

	left     int64 // of the file, not taken yet
	arrived  int64 // and released
	frames   uint64
	held     int64
	maxHeld  int64
	end      instant // the last release
	credits  uint64
	requests uint64
	answers  uint64
	err      error
}

// Run is a transfer from its first byte to its last release. An error is a
// Config that makes no sense, a rule of the ledgers that was broken, or a transfer
// that stands still: of the latter two there should be none.
func Run(cfg Config) (Result, error) {
	if err := cfg.check(); err != nil {
		return Result{}, err
	}
	cfg.Slots = cfg.slots()
	r := newRun(cfg)
	for _, s := range r.senders {
		s.acquire()
	}
	for r.err == nil && r.clock.step() {
	}
	switch {
	case r.err != nil:
		return Result{}, r.err
	case r.arrived != cfg.Bytes:
		return Result{}, fmt.Errorf("it stands still: %d of %d bytes arrived after %v", r.arrived, cfg.Bytes, r.clock.now.seconds())
	}
	for i, s := range r.senders {
		if got, want := r.receivers[i].ledger.Arrived(), s.ledger.Sent(); got != want {
			return Result{}, fmt.Errorf("stream %d: %d of %d frames arrived", i, got, want)
		}
	}
	return r.result(), nil
}

func newRun(cfg Config) *run {
	r := &run{cfg: cfg, left: cfg.Bytes, dice: rand.New(rand.NewPCG(cfg.Seed, 0))}
	r.sendCores = newResource(&r.clock, cfg.Sender.Cores)
	r.recvCores = newResource(&r.clock, cfg.Receiver.Cores)
	if cfg.OneHost {
		r.recvCores = r.sendCores
	}
	r.files = newResource(&r.clock, cfg.Files)
	r.source, r.target = newResource(&r.clock, 1), newResource(&r.clock, 1)
	for range cfg.Rails {
		r.rails = append(r.rails, &rail{run: r})
	}
	for i := range cfg.Streams {
		on := r.rails[i%cfg.Rails]
		l := &lane{rail: on, window: cfg.Window}
		if cfg.FirstWindow > 0 {
			l.window = cfg.FirstWindow
		}
		on.lanes = append(on.lanes, l)
		s := &sender{run: r, lane: l, ledger: transport.NewSendLedger(cfg.Slots, epoch)}
		s.peer = &receiver{run: r, peer: s, ledger: transport.NewRecvLedger(cfg.Slots, epoch)}
		r.senders, r.receivers = append(r.senders, s), append(r.receivers, s.peer)
	}
	return r
}

// take is the next piece of the file; 0: there is none.
func (r *run) take() int {
	n := int(min(r.left, int64(r.cfg.SlotSize)))
	r.left -= int64(n)
	return n
}

// access is how long the disks of an end take for n bytes.
func (r *run) access(n int, h Host) instant {
	span := spanAt(n, h.Disk)
	if h.Jitter == 0 || span == 0 {
		return span
	}
	chance := 1 - h.Jitter + float64(h.Jitter*r.dice.ExpFloat64())
	return instant(float64(span) * chance)
}

// hold counts bytes that are in a slot now.
func (r *run) hold(n int) {
	r.held += int64(n)
	r.maxHeld = max(r.maxHeld, r.held)
}

// released counts bytes that are in their file.
func (r *run) released(n int) {
	r.held -= int64(n)
	r.arrived += int64(n)
	r.frames++
	r.end = r.clock.now
}

// until is when there is nothing left to wait for: once all has arrived, the end.
func (r *run) until() instant {
	if r.arrived == r.cfg.Bytes {
		return r.end
	}
	return r.clock.now
}

// check ends the run with its first error.
func (r *run) check(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *run) result() Result {
	trips := instant(2*r.cfg.Trips) * spanOf(r.cfg.Delay)
	took := (r.end + trips).seconds()
	end := r.end.seconds()
	res := Result{
		Frames: r.frames, Took: time.Duration(took * float64(time.Second)), Rate: float64(r.cfg.Bytes) / took, Slots: r.cfg.Slots,
		Memory: int64(r.cfg.Streams) * int64(r.cfg.Slots) * int64(r.cfg.SlotSize+transport.HeadRoom), Held: r.maxHeld,
		SendCPU: r.sendCores.busy.seconds() / end, Source: r.source.busy.seconds() / end, Target: r.target.busy.seconds() / end,
		Credits: r.credits, Requests: r.requests, Answers: r.answers,
	}
	res.Share = res.Rate / (r.cfg.Rate * float64(r.cfg.Rails))
	if !r.cfg.OneHost {
		res.RecvCPU = r.recvCores.busy.seconds() / end
	}
	if r.cfg.Files > 0 {
		res.Locks = r.files.busy.seconds() / end / float64(r.cfg.Files)
	}
	n := float64(r.cfg.Streams)
	for i, s := range r.senders {
		res.Blocked += s.blocked.seconds() / end / n
		res.Sending += (s.over - s.idle).seconds() / end / n
		res.Writing += r.receivers[i].busy.seconds() / end / n
	}
	for _, l := range r.rails {
		res.Wire += l.loaded.seconds() / end / float64(r.cfg.Rails)
	}
	res.Limit = r.limit(res)
	return res
}

// limit is what was busiest. A worker is busy also while it stands in line for a core
// or a disk, so those come first.
func (r *run) limit(res Result) string {
	const nearly = 0.9 // what is never idle but at the start and the end
	if r.cfg.Files > 0 && res.Locks >= nearly {
		return "one writer to a file"
	}
	of := func(busy float64, cores int) float64 {
		if cores == 0 {
			return 0
		}
		return busy / float64(cores)
	}
	for _, c := range []struct {
		busy float64
		name string
	}{
		{res.Wire, "wire"},
		{res.Target, "target's disks"},
		{res.Source, "source's disks"},
		{of(res.RecvCPU, r.cfg.Receiver.Cores), "receiver's cores"},
		{of(res.SendCPU, r.cfg.Sender.Cores), "sender's cores"},
		{res.Writing, "receiver's workers"},
		{res.Sending, "sender's workers"},
	} {
		if c.busy >= nearly {
			return c.name
		}
	}
	return "slots"
}
