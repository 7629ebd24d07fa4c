package ibv

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

// tree makes a sysfs and a dev of files.
func tree(t *testing.T, files map[string]string) sysfs {
	t.Helper()
	root := t.TempDir()
	for path, text := range files {
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return sysfs{root + "/sys", root + "/dev"}
}

func TestTheCauseOfAnUnusableDeviceIsFound(t *testing.T) {
	s := tree(t, map[string]string{
		"sys/class/infiniband/a/node_type":            "1",
		"sys/class/infiniband/b/node_type":            "1",
		"sys/class/infiniband/c/node_type":            "1",
		"sys/class/infiniband/d/node_type":            "1",
		"sys/class/infiniband_verbs/uverbs0/ibdev":    "a",
		"sys/class/infiniband_verbs/uverbs1/ibdev":    "b",
		"sys/class/infiniband_verbs/uverbs2/ibdev":    "c",
		"dev/infiniband/uverbs1":                      "",
		"dev/infiniband/uverbs2/a directory won't do": "",
	})
	if diff := cmp.Diff([]string{"a", "b", "c", "d"}, s.devices()); diff != "" {
		t.Error(diff)
	}
	for device, want := range map[string]string{
		"a": "uverbs0 is missing", "b": "ibverbs-providers", "c": "join the group", "d": "modprobe ib_uverbs",
	} {
		if got := s.whyUnlisted(device); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", device, got, want)
		}
	}
}

func TestGIDsAreReadFromSysfs(t *testing.T) {
	s := tree(t, map[string]string{
		"sys/class/infiniband/r/ports/1/gids/0":            "fe80:0000:0000:0000:5054:00ff:fe77:0000",
		"sys/class/infiniband/r/ports/1/gid_attrs/types/0": "IB/RoCE v1",
		"sys/class/infiniband/r/ports/1/gid_attrs/ndevs/0": "eth0",
		"sys/class/infiniband/r/ports/1/gids/1":            "0000:0000:0000:0000:0000:ffff:0a4d:0001",
		"sys/class/infiniband/r/ports/1/gid_attrs/types/1": "RoCE v2",
		"sys/class/infiniband/r/ports/1/gids/2":            "0000:0000:0000:0000:0000:0000:0000:0000",
		"sys/class/infiniband/r/ports/1/gid_attrs/types/2": "RoCE v2",
		"sys/class/infiniband/r/ports/1/gids/3":            "fe80::1", // its attributes give EINVAL in a namespace
		"sys/class/infiniband/r/ports/1/gids/4":            "garbage",
		"sys/class/infiniband/r/ports/1/gid_attrs/types/4": "RoCE v2",
		"sys/class/infiniband/r/ports/1/gids/9":            "fe80::9",
		"sys/class/infiniband/r/ports/1/gid_attrs/types/9": "RoCE v2",
	})
	if err := os.Mkdir(s.root+"/class/infiniband/r/ports/1/gid_attrs/types/3", 0o755); err != nil {
		t.Fatal(err)
	}
	local := netip.MustParseAddr("fe80::5054:ff:fe77:0").As16()
	mapped := netip.MustParseAddr("::ffff:10.77.0.1").As16()
	want := []nic.GID{{Index: 0, GID: local, Type: nic.GIDRoCEv1, Netdev: "eth0"}, {Index: 1, GID: mapped, Type: nic.GIDRoCEv2}}
	if diff := cmp.Diff(want, named(s.gids("r", 1, 8), true)); diff != "" {
		t.Error(diff)
	}
	if g := named(s.gids("r", 1, 1), false); len(g) != 1 || g[0].Type != nic.GIDIB {
		t.Errorf("on InfiniBand: %+v", g)
	}
}

func TestRateAndNUMA(t *testing.T) {
	for text, want := range map[string]uint64{
		"2.5 Gb/sec (1X SDR)": 2_500_000_000, "800 Gb/sec (4X XDR)": 800_000_000_000,
		"": 0, "fast": 0, "-1 Gb/sec": 0, "1e99 Gb/sec": 0, "3 Mb/sec": 0,
	} {
		s := tree(t, map[string]string{"sys/class/infiniband/r/ports/2/rate": text, "sys/class/infiniband/r/device/numa_node": "3"})
		if got := s.rate("r", 2); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
		if s.numa("r") != 3 || s.numa("other") != -1 {
			t.Errorf("NUMA %d and %d", s.numa("r"), s.numa("other"))
		}
	}
}

// root is a tree of handles to grow on.
func root() *handle { return &handle{name: "root", leaks: &leaks{}} }

func fine() unix.Errno { return 0 }

func TestAParentOutlivesItsChildren(t *testing.T) {
	r := root()
	pd, _ := grow("PD", fine, r)
	cq, _ := grow("CQ", fine, r)
	qp, err := grow("QP", fine, pd, cq)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"CQ (1)", "PD (1)", "QP (1)"}, r.leaks.list()); diff != "" {
		t.Error(diff)
	}
	for _, h := range []*handle{pd, cq} {
		if err := h.end(fine); !errors.Is(err, unix.EBUSY) {
			t.Errorf("%s ended first: %v", h.name, err)
		}
	}
	if err := qp.end(func() unix.Errno { return unix.EINTR }); !errors.Is(err, unix.EINTR) || len(r.leaks.list()) != 3 {
		t.Errorf("a refused end: %v, open %v", err, r.leaks.list())
	}
	for _, h := range []*handle{qp, qp, pd, cq} {
		if err := h.end(fine); err != nil {
			t.Errorf("%s: %v", h.name, err)
		}
	}
	if open := r.leaks.list(); len(open) != 0 {
		t.Errorf("open: %v", open)
	}
	if _, err := grow("QP", fine, r, pd); !errors.Is(err, os.ErrClosed) {
		t.Errorf("grown on what is gone: %v", err)
	}
	if err := pd.use("use", fine); !errors.Is(err, os.ErrClosed) {
		t.Errorf("used when gone: %v", err)
	}
}

func TestWhatIsNotMadeIsNotCounted(t *testing.T) {
	r := root()
	if _, err := grow("MR", func() unix.Errno { return unix.ENOMEM }, r); !errors.Is(err, unix.ENOMEM) || !strings.Contains(err.Error(), ": ") {
		t.Error(err)
	}
	if r.children != 0 || len(r.leaks.list()) != 0 {
		t.Errorf("%d children, %v", r.children, r.leaks.list())
	}
}

// pipe is a descriptor of "the library", whose events are bytes.
func pipe(t *testing.T) (e *events, take func() unix.Errno, put func()) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(unix.Close(fds[0]), unix.Close(fds[1])); err != nil {
			t.Errorf("the library's own descriptor: %v", err)
		}
	})
	e, err := newEvents(fds[0], "pipe")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.close)
	take = func() unix.Errno {
		var errno unix.Errno
		if _, err := unix.Read(fds[0], make([]byte, 1)); err != nil && !errors.As(err, &errno) {
			t.Error(err)
		}
		return errno
	}
	return e, take, func() {
		if _, err := unix.Write(fds[1], []byte{1}); err != nil {
			t.Error(err)
		}
	}
}

func TestAWaitTakesOneEventAndNoneIsLost(t *testing.T) {
	e, take, put := pipe(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var feeder sync.WaitGroup
	feeder.Go(func() {
		for range 1000 {
			put()
		}
	})
	for i := range 1000 {
		if err := e.wait(ctx, take); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
	feeder.Wait()
}

// The deadline that ends one wait must not reach into the next.
func TestAWaitEndsWithItsOwnContext(t *testing.T) {
	e, take, put := pipe(t)
	for range 200 {
		ctx, cancel := context.WithCancelCause(t.Context())
		go cancel(errors.New("enough"))
		if err := e.wait(ctx, take); err == nil || err.Error() != "enough" {
			t.Fatalf("cancelled: %v", err)
		}
		put()
		if err := e.wait(t.Context(), take); err != nil {
			t.Fatalf("after one that was cancelled: %v", err)
		}
	}
}

// Its deadline may come when the wait has its event already, and is late then.
func TestACancelThatComesTooLateHurtsNobody(t *testing.T) {
	e, take, put := pipe(t)
	for i := range 500 {
		ctx, cancel := context.WithCancel(t.Context())
		err := e.wait(ctx, func() unix.Errno {
			cancel()
			return 0
		})
		if err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		var feeder sync.WaitGroup
		var once sync.Once
		err = e.wait(t.Context(), func() unix.Errno {
			errno := take()
			once.Do(func() { feeder.Go(put) })
			return errno
		})
		if err != nil {
			t.Fatalf("%d: the wait after it: %v", i, err)
		}
		feeder.Wait()
	}
}

func TestCloseEndsAWait(t *testing.T) {
	e, take, _ := pipe(t)
	waiting, ended := make(chan struct{}), make(chan error, 1)
	var once sync.Once
	go func() {
		ended <- e.wait(t.Context(), func() unix.Errno {
			once.Do(func() { close(waiting) })
			return take()
		})
	}()
	<-waiting
	e.close()
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("the wait that was ended: %v", err)
	}
	if err := e.wait(t.Context(), take); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a wait after it: %v", err)
	}
}

func TestAnErrorOfTheDescriptorIsTold(t *testing.T) {
	e, _, _ := pipe(t)
	if err := e.wait(t.Context(), func() unix.Errno { return unix.EIO }); !errors.Is(err, unix.EIO) {
		t.Error(err)
	}
	if _, err := newEvents(-1, "nothing"); !errors.Is(err, unix.EBADF) {
		t.Error(err)
	}
}

func TestAFileThatThePollerCannotWatchIsRefused(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "plain"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := newEvents(int(f.Fd()), "a plain file"); err == nil {
		t.Error("accepted")
	}
}

func TestTheTrafficClassThatTheHostHasSetIsFound(t *testing.T) {
	s := tree(t, map[string]string{
		"sys/class/infiniband/vendor/tc/1/traffic_class":                     "Global tclass=106\ntclass=1 src_ip=10.0.0.1",
		"sys/class/infiniband/unset/tc/1/traffic_class":                      "",
		"sys/kernel/config/rdma_cm/cm/ports/2/default_roce_tos":              "104",
		"sys/kernel/config/rdma_cm/unset/ports/1/default_roce_tos":           "garbage",
		"sys/kernel/config/rdma_cm/vendor/ports/1/default_roce_tos":          "8",
		"sys/class/infiniband/cm/ports/1/this directory has to be there too": "",
	})
	for _, tt := range []struct {
		device string
		port   int
		want   uint8
	}{{"vendor", 1, 106}, {"vendor", 2, 0}, {"unset", 1, 0}, {"cm", 2, 104}, {"cm", 1, 0}, {"none", 1, 0}} {
		if got := s.trafficClass(tt.device, tt.port); got != tt.want {
			t.Errorf("%s port %d: %d, want %d", tt.device, tt.port, got, tt.want)
		}
	}
}

func TestPKeysAndVirtualFunctionsAreReadFromSysfs(t *testing.T) {
	s := tree(t, map[string]string{
		"sys/class/infiniband/a/ports/1/pkeys/0":        "0xffff",
		"sys/class/infiniband/a/ports/1/pkeys/1":        "0x8001",
		"sys/class/infiniband/a/ports/1/pkeys/3":        "garbage",
		"sys/class/infiniband/b/device/physfn/a folder": "",
	})
	if diff := cmp.Diff([]uint16{0xffff, 0x8001, 0, 0}, s.pkeys("a", 1, 4)); diff != "" {
		t.Error(diff)
	}
	if s.virtual("a") || !s.virtual("b") {
		t.Error("which of them is a virtual function?")
	}
}
