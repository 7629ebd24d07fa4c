//go:build rdma

package ibv

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"scp_rdma/transport/verbs/internal/nic"
)

// childOf names the part that a child of the test plays: the library reads its
// configuration once per process, and limits belong to processes.
const childOf = "IBV_TEST_CHILD"

func TestMain(m *testing.M) {
	if part := os.Getenv(childOf); part != "" {
		fmt.Println(play(part))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// play is what a child does; what it returns is for the test to read.
func play(part string) string {
	if part == "memlock" {
		return lockMuch()
	}
	// In a mount namespace of its own: nothing is hidden from anybody else.
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return "private mounts: " + err.Error()
	}
	fs, from := "tmpfs", "none"
	var flags uintptr
	if !strings.HasSuffix(part, "/") {
		fs, from, flags = "", "/dev/null", unix.MS_BIND
	}
	if err := unix.Mount(from, part, fs, flags, ""); err != nil {
		return "hide " + part + ": " + err.Error()
	}
	p, err := Open()
	if err != nil {
		return err.Error()
	}
	all, err := p.Devices()
	if err != nil || len(all) == 0 {
		return fmt.Sprint(all, err)
	}
	_, err = p.Open(all[0].Name)
	return fmt.Sprintf("listed: %v\nopened: %v", all[0].Err, err)
}

// lockMuch registers more memory than its limit allows.
func lockMuch() string {
	limit := unix.Rlimit{Cur: 64 << 10, Max: 64 << 10}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return err.Error()
	}
	p, err := Open()
	if err != nil {
		return err.Error()
	}
	d, err := p.Open("rxe0")
	if err != nil {
		return err.Error()
	}
	pd, err := d.AllocPD()
	if err != nil {
		return err.Error()
	}
	mem, err := unix.Mmap(-1, 0, 4<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return err.Error()
	}
	_, err = pd.RegMR(mem, nic.AccessLocalWrite|nic.AccessRemoteWrite)
	return fmt.Sprint(err)
}

// child runs the test's binary again, in that part.
func child(t *testing.T, part string, attr *syscall.SysProcAttr) string {
	t.Helper()
	c := exec.Command("/proc/self/exe")
	c.Env = []string{childOf + "=" + part}
	c.SysProcAttr = attr
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

func TestEveryMissingPieceIsNamedWithItsCure(t *testing.T) {
	for name, c := range map[string]struct {
		part string
		want []string
	}{
		"the library":   {"/usr/lib/x86_64-linux-gnu/libibverbs.so.1", []string{"libibverbs.so.1", "install rdma-core", "transport unavailable"}},
		"the nodes":     {"/dev/infiniband/", []string{"listed: rxe0: /dev/infiniband/uverbs0 is missing", "opened: open rxe0: /dev/infiniband/uverbs0 is missing", "--device="}},
		"the providers": {"/etc/libibverbs.d/", []string{"listed: rxe0: libibverbs has no provider", "install ibverbs-providers", "transport unavailable"}},
	} {
		t.Run(name, func(t *testing.T) {
			out := child(t, c.part, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS})
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in: %s", want, out)
				}
			}
		})
	}
}

func TestTooLittleLockedMemoryIsNamedWithItsCure(t *testing.T) {
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out := child(t, "memlock", nobody)
	for _, want := range []string{"MR of rxe0 (4194304 bytes)", "cannot allocate memory", "RLIMIT_MEMLOCK is 65536 bytes", "ulimit -l unlimited"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in: %s", want, out)
		}
	}
}
