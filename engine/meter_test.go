package engine_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/localfs"
	"scp_rdma/transport/transporttest"
)

// metered is a server that is watched.
func metered(t *testing.T, options ...func(*kit)) (*kit, *engine.Meter) {
	t.Helper()
	m := engine.NewMeter()
	return start(t, append(options, func(k *kit) { k.meter = m })...), m
}

// reads waits until a reading is as it should be.
func reads(t *testing.T, m *engine.Meter, what string, ok func(r engine.Reading) bool) engine.Reading {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); ; <-look.C {
		r := m.Read()
		if ok(r) {
			return r
		}
		if time.Now().After(end) {
			t.Fatalf("never %s: %+v", what, r)
		}
	}
}

func railBytes(list []engine.RailReading, way engine.Direction) (bytes, frames uint64) {
	for _, r := range list {
		if r.Direction == way {
			bytes += r.Bytes
			frames += r.Frames
		}
	}
	return bytes, frames
}

func TestAMeterCountsWhatEachSideSaysOfATransfer(t *testing.T) {
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, m := metered(t, kind)
			sent, _, err := k.push(contents(t, sample(t)))
			if err != nil {
				t.Fatal(err)
			}
			got, took, _, err := k.fetch([]string{""})
			if err != nil {
				t.Fatal(err)
			}
			same(t, k.dst, got)
			r := reads(t, m, "two sessions ended", func(r engine.Reading) bool {
				return r.Ended[engine.Receiving][engine.KindDone] == 1 && r.Ended[engine.Sending][engine.KindDone] == 1
			})
			for way, rep := range map[engine.Direction]*engine.Report{engine.Receiving: sent, engine.Sending: took} {
				var carried uint64
				for _, rail := range rep.Rails {
					carried += rail.Bytes
				}
				if bytes, frames := railBytes(r.Rails, way); bytes != carried || frames == 0 || frames != r.Turnaround[way].Count {
					t.Errorf("%v: %d bytes in %d frames, the client says %d; %+v", way, bytes, frames, carried, r.Turnaround[way])
				}
				want := engine.FileCounts{Done: rep.Files, Bytes: rep.Bytes}
				if r.Files[way] != want || r.Begun[way] != 1 {
					t.Errorf("%v: %+v, want %+v; begun %d", way, r.Files[way], want, r.Begun[way])
				}
			}
			if r.Commit.Count != sent.Files || r.Greeting.Count != 2 || r.CreditWait.Count == 0 || r.CreditWait.Sum <= 0 {
				t.Errorf("commits %d of %d, greetings %d, waits %+v", r.Commit.Count, sent.Files, r.Greeting.Count, r.CreditWait)
			}
			if len(r.Sessions) != 0 || r.Quota.Sessions != 0 || r.Quota.Memory != 0 || len(r.Last) != 2 || r.Last[0].Files.Done != sent.Files || !r.Last[1].Sends || r.Last[1].Error != "" {
				t.Errorf("%+v, last %+v", r.Quota, r.Last)
			}
			for _, rail := range r.Rails {
				if rail.Transport != name || rail.Streams != 0 || rail.Waited <= 0 || rail.Broken != 0 {
					t.Errorf("%+v", rail)
				}
			}
		})
	}
}

// What is under way shows: which session, which file, how far, which queues. Both sessions
// stand still in the middle of a file while they are looked at.
func TestAMeterShowsWhatIsUnderWay(t *testing.T) {
	open := make(chan struct{})
	k, m := metered(t, func(k *kit) {
		k.sink = func(s engine.Sink) engine.Sink { return &gatedSink{Sink: s, open: open} }
		k.faults.slots, k.faults.size = 4, 64<<10
	})
	dir := t.TempDir()
	write(t, dir, map[string]string{"d/large": noise(3 << 20)})
	write(t, k.dst, map[string]string{"mine": noise(3 << 20)})
	pushed, fetched := make(chan error, 1), make(chan error, 1)
	src := contents(t, dir)
	go func() {
		_, _, err := k.push(src)
		pushed <- err
	}()
	go func() {
		_, _, _, err := k.fetch([]string{"mine"}, func(c *engine.FetchConfig) {
			newSink := c.NewSink
			c.NewSink = func(o localfs.SinkOptions) (engine.Sink, error) {
				s, err := newSink(o)
				return &gatedSink{Sink: s, open: open}, err
			}
		})
		fetched <- err
	}()
	under := func(r engine.Reading, way engine.Direction, current string) bool {
		for _, s := range r.Sessions {
			if s.Direction() == way && s.BytesDone > 0 && s.BytesDone < s.Snapshot.Bytes && strings.HasSuffix(s.Current, current) &&
				s.StreamsRun > 0 && s.Slots > 0 && s.SlotsInUse > 0 && s.Queues.Files > 0 && s.ID != "" && s.Peer != "" && s.Name == "tests" {
				return true
			}
		}
		return false
	}
	r := reads(t, m, "both under way", func(r engine.Reading) bool {
		return under(r, engine.Receiving, "d/large") && under(r, engine.Sending, "mine")
	})
	if r.Quota.Sessions != 2 || r.Quota.Memory <= 0 || r.Quota.MaxSessions != engine.DefaultSessions {
		t.Errorf("%+v", r.Quota)
	}
	close(open)
	for _, ch := range []chan error{pushed, fetched} {
		if err := waitOn(t, ch); err != nil {
			t.Error(err)
		}
	}
}

// gatedSink writes two pieces of files that come in several, and more once it is open.
type gatedSink struct {
	engine.Sink
	open    chan struct{}
	written atomic.Int64
}

func (s *gatedSink) CreateFile(p localfs.Put) (localfs.PendingFile, error) {
	f, err := s.Sink.CreateFile(p)
	return gatedFile{f, s}, err
}

type gatedFile struct {
	localfs.PendingFile
	s *gatedSink
}

func (f gatedFile) WriteAt(p []byte, off int64) error {
	if f.s.written.Add(1) > 2 {
		<-f.s.open
	}
	return f.PendingFile.WriteAt(p, off)
}

// Counts never go back, whenever they are read: not when a session ends either.
func TestCountsOnlyGrow(t *testing.T) {
	k, m := metered(t, func(k *kit) {
		k.faults.client = transporttest.Plan{Seed: 7, DropAfter: 40, Spread: 20}
		k.faults.slots, k.faults.size = 2, 64<<10
	})
	stop, bad := make(chan struct{}), make(chan string, 1)
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		var bytes, files uint64
		for {
			r := m.Read()
			b, _ := railBytes(r.Rails, engine.Receiving)
			f := r.Files[engine.Receiving].Done
			if b < bytes || f < files {
				bad <- fmt.Sprintf("%d bytes after %d, %d files after %d", b, bytes, f, files)
				return
			}
			bytes, files = b, f
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for range 3 {
		if _, _, err := k.push(contents(t, sample(t)), func(c *engine.SendConfig) { c.Compare = 0 }); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	waitOn(t, finished)
	select {
	case text := <-bad:
		t.Error(text)
	default:
	}
	r := reads(t, m, "three ended", func(r engine.Reading) bool { return r.Ended[engine.Receiving][engine.KindDone] == 3 })
	var broken uint64
	for _, rail := range r.Rails {
		broken += rail.Broken
	}
	if broken == 0 {
		t.Errorf("streams broke, and none is counted: %+v", r.Rails)
	}
}

func TestAMeterKnowsWhySessionsEnd(t *testing.T) {
	k, m := metered(t, func(k *kit) {
		k.quota = engine.Quota{Sessions: 1}
		k.sink = func(s engine.Sink) engine.Sink { return fullSink{s} }
	})
	dir := t.TempDir()
	write(t, dir, map[string]string{"f": noise(1000)})
	if _, _, err := k.push(contents(t, dir)); err == nil {
		t.Fatal("the disk is full")
	}
	r := reads(t, m, "a full disk", func(r engine.Reading) bool { return r.Ended[engine.Receiving][engine.KindDisk] == 1 })
	if e := r.Last[0]; e.Kind != engine.KindDisk || !strings.Contains(e.Error, "no space") {
		t.Errorf("%+v", e)
	}
	if _, _, _, err := k.fetch([]string{"nothing"}); err == nil {
		t.Fatal("there is no such file")
	}
	// One that never got anything to send is no session.
	if r := m.Read(); r.Begun[engine.Sending] != 0 || len(r.Last) != 1 {
		t.Errorf("%+v", r.Last)
	}
	first, err := control.Dial(t.Context(), k.dial())
	if err != nil {
		t.Fatal(err)
	}
	defer first.Abort()
	reads(t, m, "the only place taken", func(r engine.Reading) bool { return r.Quota.Sessions == 1 })
	var busy *control.BusyError
	if _, _, err := k.push(contents(t, dir)); !errors.As(err, &busy) {
		t.Errorf("it has no room: %v", err)
	}
	reads(t, m, "a client turned away", func(r engine.Reading) bool { return r.TurnedAway >= 1 })
}

// fullSink is a sink on a full disk.
type fullSink struct{ engine.Sink }

func (fullSink) PutFile(p localfs.Put, _ []byte) error {
	return &os.PathError{Op: "put", Path: filepath.Base(p.Name), Err: errNoSpace}
}
