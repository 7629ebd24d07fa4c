package verbs_test

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"scp_rdma/engine"
	"scp_rdma/transport"
	"scp_rdma/transport/verbs"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/transport/verbs/internal/softnic"
)

// Whoever touches a device that lies by some cores runs on them: that posts, polls and makes.
func TestADeviceIsServedFromTheCoresByIt(t *testing.T) {
	var all unix.CPUSet
	check(t, unix.SchedGetaffinity(0, &all))
	last := 0
	for c := range 1024 {
		if all.IsSet(c) {
			last = c
		}
	}
	seen := make(chan string, 3)
	at := func(what string) {
		var now unix.CPUSet
		if err := unix.SchedGetaffinity(0, &now); err != nil || now.Count() != 1 || !now.IsSet(last) {
			t.Errorf("%s: %v cores, %v", what, now.Count(), err)
		}
		select {
		case seen <- what:
		default:
		}
	}
	h := hooks{
		post: func(nic.QP, []nic.SendWR, func(nic.MR) []byte) { at("posting") },
		poll: func(int) { at("polling") },
	}
	near := func(devices verbs.Provider) transport.Transport {
		return verbs.New(verbs.Config{
			Devices: spyHost{devices, h}, StrictRNR: true, AckTimeout: quick,
			Lies: func(string) verbs.Lies { return verbs.Lies{Cores: []int{last}} },
		})
	}
	f := &softnic.Fabric{}
	s := serve(t, near(f.Host(softnic.RXE("rxe0", [4]byte{10, 1, 0, 2}))))
	src := t.TempDir()
	fill(t, filepath.Join(src, "file"), 20<<20)
	_, err := s.send(t.Context(), t, src, func(c *engine.SendConfig) { c.Streams = 2 }, near(f.Host(softnic.RXE("rxe0", [4]byte{10, 1, 0, 1}))))
	check(t, err)
	if len(seen) != cap(seen) {
		t.Error("nobody has touched a device")
	}
}
