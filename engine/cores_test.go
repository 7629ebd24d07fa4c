package engine_test

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"scp_rdma/engine"
	"scp_rdma/localfs"
	"scp_rdma/transport"
)

// byCores is a transport whose rails lie by some cores.
type byCores struct {
	transport.Transport
	cores []int
}

func (b byCores) Probe(ctx context.Context) ([]transport.Rail, error) {
	rails, err := b.Transport.Probe(ctx)
	rails = slices.Clone(rails)
	for i := range rails {
		rails[i].Cores = b.cores
	}
	return rails, err
}

// coresSource and coresSink see on how many cores files are read and written.
type coresSource struct {
	engine.Source
	kept, free *atomic.Int64
}

func (s coresSource) ReadFile(e *localfs.Entry, p []byte) error {
	count(s.kept, s.free)
	return s.Source.ReadFile(e, p)
}

type coresSink struct {
	engine.Sink
	kept, free *atomic.Int64
}

func (s coresSink) PutFile(p localfs.Put, data []byte) error {
	count(s.kept, s.free)
	return s.Sink.PutFile(p, data)
}

func count(kept, free *atomic.Int64) {
	var now unix.CPUSet
	if unix.SchedGetaffinity(0, &now) == nil && now.Count() == 1 {
		kept.Add(1)
		return
	}
	free.Add(1)
}

// The workers of a rail run on the cores that lie by it, if there is one for each.
func TestWorkersRunByTheirRail(t *testing.T) {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	var cores []int
	for c := range 1024 {
		if all.IsSet(c) {
			cores = append(cores, c)
		}
	}
	if len(cores) < 2 {
		t.Fatal("this needs two cores")
	}
	for streams := 1; streams <= 2; streams++ {
		var reads, writes, freeReads, freeWrites atomic.Int64
		k := start(t, kinds()["mem"], func(k *kit) {
			k.client, k.server = byCores{k.client, cores[:1]}, byCores{k.server, cores[:1]}
			k.sink = func(s engine.Sink) engine.Sink { return coresSink{s, &writes, &freeWrites} }
		})
		src := t.TempDir()
		write(t, src, map[string]string{"a": "1", "b": "2", "c": "3"})
		if _, _, err := k.push(coresSource{contents(t, src), &reads, &freeReads}, func(c *engine.SendConfig) { c.Streams, c.Slots = streams, 2 }); err != nil {
			t.Fatal(err)
		}
		if streams == 1 && (reads.Load() == 0 || writes.Load() == 0 || freeReads.Load() > 0 || freeWrites.Load() > 0) {
			t.Errorf("of all files %d were read and %d written by the rail, %d and %d anywhere", reads.Load(), writes.Load(), freeReads.Load(), freeWrites.Load())
		}
		if streams == 2 && reads.Load() > 0 {
			t.Errorf("%d files were read by two workers on one core", reads.Load())
		}
	}
}
