package e2e

import (
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"scp_rdma/control"
	"scp_rdma/test/hostile"
	"scp_rdma/transport"
	"scp_rdma/transport/shm"
	"scp_rdma/transport/tcp"
)

// While a client with a good key does its worst, others are served, the server's memory
// stays bounded, and nothing outside of its directory changes.
func TestAHostileClientHarmsNobody(t *testing.T) {
	for name, make := range map[string]func() transport.Transport{
		"shm": func() transport.Transport { return shm.New(shm.Config{}) },
		"tcp": func() transport.Transport { return tcp.New(tcp.Config{}) },
	} {
		t.Run(name, func(t *testing.T) {
			parent := folder(t, nobody())
			w, err := hostile.NewWitness(parent, int(nobody().uid))
			must(t, err)
			srv := serve(t, nobody(), filepath.Join(parent, "in"), "--no-landlock") // what holds is the server's own
			peak := peakMemory(t, srv.process)
			over := honest(t, srv)
			key := setting.key
			p := &hostile.Peer{Server: control.DialConfig{Addr: srv.addr, Key: &key}, Transport: make()}
			for _, a := range hostile.Attacks() {
				if err := p.Run(t.Context(), a); err != nil {
					t.Error(err)
				}
				if changed, err := w.Changed(); err != nil || changed != "" {
					t.Fatalf("%s: %v %s", a.Name, err, changed)
				}
			}
			if n := over(); n < 2 {
				t.Errorf("meanwhile only %d honest transfers ended", n)
			}
			srv.stillServes(t)
			bounded(t, peak(), 0)
			srv.stop(t)
		})
	}
}

// honest sends a file again and again, until over is called, which says how often.
func honest(t *testing.T, srv *server) (over func() int) {
	t.Helper()
	file := filepath.Join(folder(t, nobody()), "honest")
	data := bytesOf(9, 3<<20)
	write(t, file, data)
	stop := make(chan struct{})
	var n int
	var work sync.WaitGroup
	work.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			n++
			to := "honest" + strconv.Itoa(n)
			srv.send(t, nobody(), file, to).wants(t, 0)
			arrived(t, filepath.Join(srv.dir, to), data)
		}
	})
	over = sync.OnceValue(func() int { close(stop); work.Wait(); return n })
	t.Cleanup(func() { over() })
	return over
}
