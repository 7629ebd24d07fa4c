package verbs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"scp_rdma/transport"
	"scp_rdma/transport/transporttest"
	"scp_rdma/transport/verbs/internal/softnic"
)

// quick is the ACK timeout of the suite, 67 ms: many of its peers die.
const quick = 14

// devices of one host; its rails lie in networks 10.1.0, 10.1.1, ...
func devices(n int, host byte) []softnic.Spec {
	var list []softnic.Spec
	for i := range n {
		list = append(list, softnic.RXE(fmt.Sprintf("rxe%d", i), [4]byte{10, 1, byte(i), host}))
	}
	return list
}

// iwarp is devices of iWARP.
func iwarp(n int, host byte) []softnic.Spec {
	var list []softnic.Spec
	for i := range n {
		list = append(list, softnic.SIW(fmt.Sprintf("siw%d", i), [4]byte{10, 2, byte(i), host}))
	}
	return list
}

// world is two hosts on one fabric, which must be empty at the end.
func world(t testing.TB, tune func(*Config), initiator, responder []softnic.Spec) transporttest.World {
	t.Helper()
	f := &softnic.Fabric{}
	c := newControl()
	side := func(specs []softnic.Spec) transport.Transport {
		// RC loses nothing and asks for no heartbeat but to find out who died.
		cfg := Config{Devices: f.Host(specs...), AckTimeout: quick, StrictRNR: true, Heartbeat: 50 * time.Millisecond}
		tune(&cfg)
		return &controlled{New(cfg), c}
	}
	w := transporttest.World{Initiator: side(initiator), Responder: side(responder)}
	t.Cleanup(func() {
		if left := f.Leaks(); len(left) != 0 {
			t.Errorf("left open: %v", left)
		}
	})
	return w
}

// deaf says whether a test of the suite has a peer that takes no CDCs: what finds
// no receive there must wait, and is no mistake of ours.
func deaf(t *testing.T) bool { return strings.Contains(t.Name(), "never_listens") }

func TestConformance(t *testing.T) {
	noInline := func(list []softnic.Spec) []softnic.Spec {
		list[0].MaxInline = 0
		return list
	}
	for name, tt := range map[string]struct {
		mine, theirs []softnic.Spec
		connect      Connect
		notice       Notice
	}{
		"one device":                {devices(1, 1), devices(1, 2), Auto, NoticeAuto},
		"with immediate data":       {devices(2, 1), devices(2, 2), Auto, NoticeImm},
		"immediate data, no inline": {noInline(devices(1, 1)), noInline(devices(1, 2)), CM, NoticeImm},
		"two devices":               {devices(2, 1), devices(2, 2), OOB, NoticeSend},
		"a device without inline":   {noInline(devices(1, 1)), noInline(devices(1, 2)), Auto, NoticeAuto},
		"one device with two here":  {devices(2, 1), devices(1, 2), Auto, NoticeAuto},
		"by rdma_cm":                {devices(2, 1), devices(2, 2), CM, NoticeAuto},
		"iWARP":                     {iwarp(2, 1), iwarp(2, 2), Auto, NoticeImm},
	} {
		t.Run(name, func(t *testing.T) {
			transporttest.Run(t, transporttest.Config{
				World: func(t *testing.T) transporttest.World {
					return world(t, func(c *Config) { c.StrictRNR, c.Connect, c.Notice = !deaf(t), tt.connect, tt.notice }, tt.mine, tt.theirs)
				},
				Kill: kill, LargestSlot: 1 << 20, Raw: raw, Cuts: tt.mine[0].IWARP,
			})
		})
	}
}

// kill puts the QP into ERR, as the kernel does with those of a killed process.
func kill(st transport.Stream) {
	var l *link
	switch st := st.(type) {
	case *sendStream:
		l = st.link
	case *recvStream:
		l = st.link
	default:
		panic(fmt.Sprintf("a stream of type %T", st))
	}
	_ = l.qp.ToError()
}

func BenchmarkStream(b *testing.B) {
	transporttest.Benchmark(b, world(b, func(*Config) {}, devices(1, 1), devices(1, 2)))
}
