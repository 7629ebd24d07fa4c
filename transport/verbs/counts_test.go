package verbs_test

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/transport/verbs"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/transport/verbs/internal/softnic"
)

// tally is what one side asked of its devices once its streams were open. On real
// devices each call is one of C (cgo).
type tally struct {
	posts, reposts, polls, arms atomic.Int64 // calls
	writes, sends, recvs        atomic.Int64 // work requests
	completions, bytes          atomic.Int64
}

func (c *tally) calls() int64 {
	return c.posts.Load() + c.reposts.Load() + c.polls.Load() + c.arms.Load()
}

// The decorators count on the way to the devices.
type (
	countingHost struct {
		nic.Provider
		c *tally
	}
	countingDevice struct {
		nic.Device
		c *tally
	}
	countingPD struct {
		nic.PD
		c *tally
	}
	countingCQ struct {
		nic.CQ
		c *tally
	}
	countingQP struct {
		nic.QP
		c *tally
	}
)

func (h countingHost) Open(name string) (nic.Device, error) {
	d, err := h.Provider.Open(name)
	return countingDevice{d, h.c}, err
}

func (d countingDevice) AllocPD() (nic.PD, error) {
	pd, err := d.Device.AllocPD()
	return countingPD{pd, d.c}, err
}

func (d countingDevice) CreateCQ(n int) (nic.CQ, error) {
	cq, err := d.Device.CreateCQ(n)
	return countingCQ{cq, d.c}, err
}

func (p countingPD) CreateQP(cq nic.CQ, caps nic.Caps) (nic.QP, nic.Caps, error) {
	if c, ok := cq.(countingCQ); ok {
		cq = c.CQ
	}
	qp, caps, err := p.PD.CreateQP(cq, caps)
	return countingQP{qp, p.c}, caps, err
}

func (q countingCQ) Poll(batch []nic.WC) (int, error) {
	n, err := q.CQ.Poll(batch)
	q.c.polls.Add(1)
	q.c.completions.Add(int64(n))
	return n, err
}

func (q countingCQ) Arm() error {
	q.c.arms.Add(1)
	return q.CQ.Arm()
}

func (q countingQP) PostSend(chain []nic.SendWR) (int, error) {
	q.c.posts.Add(1)
	for _, w := range chain {
		if w.Op == nic.OpWrite {
			q.c.writes.Add(1)
			q.c.bytes.Add(int64(w.Length))
		} else {
			q.c.sends.Add(1)
		}
	}
	return q.QP.PostSend(chain)
}

func (q countingQP) PostRecv(chain []nic.RecvWR) (int, error) {
	q.c.reposts.Add(1)
	q.c.recvs.Add(int64(len(chain)))
	return q.QP.PostRecv(chain)
}

// TestWhatATransferAsksOfTheDevices bounds the requests, completions and calls of
// a whole transfer, which carry over to any device, per unit of what is sent: a
// MiB of a large file, or a small file.
func TestWhatATransferAsksOfTheDevices(t *testing.T) {
	large := t.TempDir()
	fill(t, filepath.Join(large, "large"), 256<<20)
	small := t.TempDir()
	for i := range 2000 {
		fill(t, filepath.Join(small, strconv.Itoa(i)), 4096)
	}
	for _, tt := range []struct {
		name, src string
		units     float64
		// No more than so many per unit, both sides together.
		wrs, cqes, calls float64
	}{
		{"MiB of a file", large, 256, 12, 8, 40},
		{"file of 4 KiB", small, 2000, 0.5, 0.5, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var client, server tally
			allocs := transfer(t, tt.src, &client, &server)
			var wrs, cqes, calls float64
			for side, c := range map[string]*tally{"client": &client, "server": &server} {
				per := func(n int64) float64 { return float64(n) / tt.units }
				t.Logf("%s, per %s: %.3f WRITEs, %.3f SENDs, %.3f receives, %.3f completions, %.3f calls (%.3f to post sends)",
					side, tt.name, per(c.writes.Load()), per(c.sends.Load()), per(c.recvs.Load()), per(c.completions.Load()), per(c.calls()), per(c.posts.Load()))
				wrs += per(c.writes.Load() + c.sends.Load() + c.recvs.Load())
				cqes += per(c.completions.Load())
				calls += per(c.calls())
			}
			t.Logf("Go allocations of both sides: %.1f per %s", float64(allocs)/tt.units, tt.name)
			if wrs > tt.wrs || cqes > tt.cqes || calls > tt.calls {
				t.Errorf("%.2f requests, %.2f completions, %.2f calls per %s; %v, %v and %v are enough", wrs, cqes, calls, tt.name, tt.wrs, tt.cqes, tt.calls)
			}
			if least := int64(tt.units) << 10; client.bytes.Load() < least { // what is counted is what was sent
				t.Errorf("only %d bytes were written to the peer", client.bytes.Load())
			}
		})
	}
}

func fill(t *testing.T, path string, n int) {
	t.Helper()
	b := make([]byte, n)
	rand.Read(b) // never fails
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// transfer sends a directory from one host of a fabric to another, and says how
// many allocations that took.
func transfer(t *testing.T, src string, client, server *tally) uint64 {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	f := &softnic.Fabric{}
	side := func(host byte, c *tally) *transport.Registry {
		return transport.NewRegistry(verbs.New(verbs.Config{
			Devices: countingHost{f.Host(softnic.RXE("rxe0", [4]byte{10, 1, 0, host})), c}, StrictRNR: true,
		}))
	}
	key := keys.New()
	ln, err := control.Listen(t.Context(), control.ListenConfig{Addr: "127.0.0.1:0", Keys: keys.Single("count", key)})
	check(err)
	root, err := localfs.OpenRoot(t.TempDir(), true)
	check(err)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- engine.Serve(ctx, engine.ServeConfig{
			Listener: ln, Transports: side(2, server), Grace: time.Minute,
			NewSink: func(_ keys.Holder, o localfs.SinkOptions) (engine.Sink, error) { return root.Sink(o), nil },
		})
	}()
	source, err := localfs.OpenSource([]string{src + "/."}, localfs.SourceOptions{})
	check(err)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = engine.Send(ctx, engine.SendConfig{
		Server: control.DialConfig{Addr: ln.Addr().String(), Key: &key}, Transports: side(1, client), Source: source,
		Target: localfs.Target{Contents: true}, Streams: 4,
	})
	check(err)
	runtime.ReadMemStats(&after)
	check(source.Close())
	stop()
	check(<-done)
	check(root.Close())
	return after.Mallocs - before.Mallocs
}
