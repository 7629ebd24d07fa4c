package engine_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"scp_rdma/bench/null"
	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/transport/transporttest"
)

// A session that has made room for another has its memory again some time after that is gone,
// and nothing is carried twice for that: what it costs the wire shows.
func TestAStreamThatMadeRoomGrowsAgain(t *testing.T) {
	for name, fetch := range map[string]bool{"sending": false, "fetching": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const streams, slots = 1, 64
				const full = streams * slots * (wireSlot + transport.HeadRoom)
				key := keys.New()
				port := pipes{make(chan net.Conn), make(chan struct{})}
				ln, err := control.Listen(t.Context(), control.ListenConfig{Addr: "pipe:1", Listener: port, Keys: keys.Single("tests", key)})
				if err != nil {
					t.Fatal(err)
				}
				tr := transporttest.Throttle(mem.New("a"), 1)
				tr.Rate("a", wireRate)
				server := &weighed{Transport: tr}
				sizes := map[string]int64{"file1*": 40 * wireRate, "file*": wireRate / 4}
				ctx, stop := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() {
					served <- engine.Serve(ctx, engine.ServeConfig{
						Listener: ln, Transports: transport.NewRegistry(server), Grace: time.Minute, Quota: engine.Quota{Sessions: 2, Memory: full},
						Limits:  engine.Limits{Memory: full},
						NewSink: func(keys.Holder, localfs.SinkOptions) (engine.Sink, error) { return &null.Sink{}, nil },
						NewSource: func(_ keys.Holder, p []string, _ localfs.SourceOptions) (engine.Offer, error) {
							return nothingFrom{&null.Source{Files: 1, Size: sizes[p[0]]}}, nil
						},
					})
				}()
				carry := func(what string) (*engine.Report, error) {
					at, reg := control.DialConfig{Addr: "pipe:1", Key: &key, Connect: port.dial}, transport.NewRegistry(tr)
					if fetch {
						return engine.Fetch(t.Context(), engine.FetchConfig{
							Server: at, Transports: reg, Paths: []string{what}, Streams: streams, Slots: slots, SlotSize: wireSlot, NoChecksum: true,
							NewSink: func(localfs.SinkOptions) (engine.Sink, error) { return &null.Sink{}, nil },
						})
					}
					return engine.Send(t.Context(), engine.SendConfig{
						Server: at, Transports: reg, Source: &null.Source{Files: 1, Size: sizes[what]}, Target: localfs.Target{Contents: true},
						Streams: streams, Slots: slots, SlotSize: wireSlot, NoChecksum: true,
					})
				}
				began := time.Now()
				ends := make(chan error, 1)
				var report *engine.Report
				go func() {
					var err error
					report, err = carry("file1*")
					ends <- err
				}()
				<-time.After(time.Second)
				before, _ := server.read()
				if _, err := carry("file*"); err != nil {
					t.Error(err)
				}
				<-time.After(time.Second)
				made, _ := server.read()
				<-time.After(2 * growTime)
				after, most := server.read()
				if before < full*3/4 || made > full*2/3 || after != before || most > full {
					t.Errorf("%d bytes of slots before, %d after another session, %d a while later, %d at most; of %d", before, made, after, most, full)
				}
				if err := <-ends; err != nil {
					t.Error(err)
				}
				took := time.Since(began)
				least := time.Duration(float64(sizes["file1*"]+sizes["file*"]) / wireRate * float64(time.Second))
				t.Logf("%v, by the wire %v", took, least)
				if took > least*103/100 || report.CarriedAgain > 0 {
					t.Errorf("it took %v, and by the wire %v; %d bytes were carried again", took, least, report.CarriedAgain)
				}
				stop()
				if err := <-served; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// growTime is how long a small stream stays as it is.
const growTime = 15 * time.Second
