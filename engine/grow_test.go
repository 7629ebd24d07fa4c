package engine_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

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
			synctest.Test(t, func(t *testing.T) { growsAgain(t, fetch) })
		})
	}
}

// growTime is how long a small stream stays as it is.
const growTime = 15 * time.Second

func growsAgain(t *testing.T, fetch bool) {
	t.Helper()
	const slots = 64
	const full = slots * (wireSlot + transport.HeadRoom)
	long := wires{files: 1, size: 40 * wireRate, streams: 1, slots: slots, fetch: fetch}
	short := long
	short.size = wireRate / 4
	out := railway{tr: transporttest.Throttle(mem.New("a"), 1), seen: &watch{}}
	out.tr.Rate("a", wireRate)
	server := &weighed{Transport: out.tr}
	offers := make(chan engine.Offer, 2) // in the order that they are asked for
	offers <- nothingFrom{long.source()}
	offers <- nothingFrom{short.source()}
	ctx, stop := context.WithCancel(t.Context())
	at, served := serveWires(ctx, t, engine.ServeConfig{
		Transports: transport.NewRegistry(server), Quota: engine.Quota{Sessions: 2, Memory: full}, Limits: engine.Limits{Memory: full},
		NewSource: func(keys.Holder, []string, localfs.SourceOptions) (engine.Offer, error) { return <-offers, nil },
	})
	began := time.Now()
	ends := make(chan error, 1)
	var report *engine.Report
	go func() {
		var err error
		report, err = long.carry(t.Context(), at, out)
		ends <- err
	}()
	<-time.After(time.Second)
	before, _ := server.read()
	if _, err := short.carry(t.Context(), at, out); err != nil {
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
	least := time.Duration(float64(long.size+short.size) / wireRate * float64(time.Second))
	t.Logf("%v, by the wire %v", took, least)
	if took > least*103/100 || report.CarriedAgain > 0 {
		t.Errorf("it took %v, and by the wire %v; %d bytes were carried again", took, least, report.CarriedAgain)
	}
	stop()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
