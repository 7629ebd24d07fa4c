package wan

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Config describes a way, the same in both directions.
type Config struct {
	Delay time.Duration // of one direction: half of a round trip
	Rate  float64       // bytes per second, of packets as they were sent: a header for each 64 KiB at most
	Queue int           // bytes that may wait for their turn; what comes beyond is lost
}

// header is virtio's, before each packet (struct virtio_net_hdr): it crosses no link.
const header = 10

// largest packet, with its header.
const largest = header + 64<<10

// Relay carries packets between two interfaces until it is closed.
type Relay struct {
	a, b io.Closer
	work sync.WaitGroup
	err  atomic.Pointer[error]
	lost atomic.Int64
}

// packet is one on its way.
type packet struct {
	data []byte
	due  time.Time
}

// Join begins to carry packets. The files are the relay's from then on.
func Join(a, b *os.File, c Config) *Relay {
	r := &Relay{a: a, b: b}
	for _, way := range []struct{ from, to io.ReadWriter }{{a, b}, {b, a}} {
		l := &line{Config: c, relay: r, held: make(chan packet, 1<<16)}
		r.work.Go(func() {
			defer close(l.held)
			r.fail(l.take(way.from))
		})
		r.work.Go(func() { r.fail(l.give(way.to)) })
	}
	return r
}

// Lost is how many packets found no room.
func (r *Relay) Lost() int64 { return r.lost.Load() }

// Close takes both interfaces away. The error is what made it stop before.
func (r *Relay) Close() error {
	_ = r.a.Close()
	_ = r.b.Close()
	r.work.Wait()
	if err := r.err.Load(); err != nil {
		return *err
	}
	return nil
}

// fail remembers why a direction ended, but for Close.
func (r *Relay) fail(err error) {
	if err != nil && !errors.Is(err, os.ErrClosed) {
		err = fmt.Errorf("relay: %w", err)
		r.err.CompareAndSwap(nil, &err)
	}
}

// line is one direction.
type line struct {
	Config
	relay *Relay
	held  chan packet
	free  time.Time // when the last packet will have left
	pools pools
}

// take reads packets, and says when each has crossed.
func (l *line) take(from io.Reader) error {
	buf := l.pools.get(largest)
	for {
		n, err := from.Read(buf[:largest])
		if err != nil {
			return err
		}
		due, ok := l.admit(time.Now(), max(n-header, 0))
		if !ok {
			l.relay.lost.Add(1)
			continue
		}
		p := packet{buf[:n], due}
		if n <= small {
			p.data = append(l.pools.get(n), buf[:n]...)
		} else {
			buf = l.pools.get(largest) // the other one is on its way: a core copies as much as it carries
		}
		select {
		case l.held <- p:
		default:
			l.relay.lost.Add(1)
		}
	}
}

// admit gives a packet its turn behind those before; false: too much waits.
func (l *line) admit(now time.Time, size int) (time.Time, bool) {
	start := l.free
	if start.Before(now) {
		start = now
	}
	if start.Sub(now).Seconds()*l.Rate > float64(l.Queue) {
		return time.Time{}, false
	}
	l.free = start.Add(time.Duration(float64(size) / l.Rate * 1e9))
	return l.free.Add(l.Delay), true
}

// give writes each packet when it is due.
func (l *line) give(to io.Writer) error {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for p := range l.held {
		if d := time.Until(p.due); d > 0 {
			wait.Reset(d)
			<-wait.C
		}
		_, err := to.Write(p.data)
		l.pools.put(p.data)
		if err != nil {
			drain(l.held)
			return err
		}
	}
	return nil
}

// drain lets the other half of a line end.
func drain(held <-chan packet) {
	for range held {
		continue
	}
}

// pools keep buffers of small and of large packets.
type pools struct{ small, large sync.Pool }

const small = 2 << 10

func (p *pools) get(n int) []byte {
	pool, size := &p.large, largest
	if n <= small {
		pool, size = &p.small, small
	}
	if b, ok := pool.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, size)
}

func (p *pools) put(b []byte) {
	if cap(b) <= small {
		p.small.Put(&b)
		return
	}
	p.large.Put(&b)
}
