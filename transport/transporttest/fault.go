package transporttest

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"scp_rdma/transport"
)

// fault is what befalls one stream.
type fault struct {
	f      *Faults
	st     transport.Stream // below
	stream uint32
	once   sync.Once
	gone   chan struct{} // closed when the stream is over: nothing is delayed any more
	killed atomic.Bool   // by its rail, or by its number of frames
}

// begin notes a stream that was joined; not on a rail that is away.
func (f *Faults) begin(x *fault) bool {
	rail := x.st.Rail()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead[rail] {
		return false
	}
	if f.open[rail] == nil {
		f.open[rail] = map[*fault]bool{}
	}
	f.open[rail][x] = true
	return true
}

// end forgets a stream.
func (x *fault) end() {
	x.once.Do(func() {
		close(x.gone)
		x.f.mu.Lock()
		defer x.f.mu.Unlock()
		delete(x.f.open[x.st.Rail()], x)
	})
}

// dropped breaks the stream and says so.
func (x *fault) dropped(op string) error {
	if !x.killed.Swap(true) {
		x.f.dropped.Add(1)
	}
	x.end()
	return x.broken(op, x.st.Close())
}

func (x *fault) broken(op string, err error) error {
	return &transport.StreamError{Op: op, Rail: x.st.Rail(), Stream: x.stream, Err: errors.Join(ErrDropped, err)}
}

// says is a call's error: of a stream whose rail was killed that, and not that
// somebody closed it.
func (x *fault) says(op string, err error) error {
	if err != nil && !errors.Is(err, io.EOF) && x.killed.Load() {
		return x.broken(op, nil)
	}
	return err
}

// delay waits as long as the lot says.
func (x *fault) delay(ctx context.Context) {
	d := time.Duration(x.f.below(uint64(x.f.plan.Delay)))
	if d == 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	case <-x.gone:
	}
}

// Kill takes a rail away: its streams break, at this end and so at the other, and
// none is joined until Restore.
func (f *Faults) Kill(rail string) {
	f.mu.Lock()
	f.dead[rail] = true
	var hit []*fault
	for x := range f.open[rail] {
		hit = append(hit, x)
	}
	f.mu.Unlock()
	for _, x := range hit {
		_ = x.dropped("kill") // who uses it next hears of it
	}
}

// Restore brings a rail back.
func (f *Faults) Restore(rail string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.dead, rail)
}

// Streams is how many streams are joined on a rail.
func (f *Faults) Streams(rail string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.open[rail])
}

func (f *Faults) away(rail string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dead[rail]
}
