package e2e

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"scp_rdma/internal/tree"
	"scp_rdma/keys"
)

// setting is what TestMain prepares for all tests.
var setting struct {
	bin  string // the program
	base string // a directory that every user may enter; tests make theirs in it
	key  keys.Key
	keys sync.Mutex // of the making of key files
}

// The environment tells the test binary to be something else than a test.
const (
	envInside = "SCP_RDMA_E2E_INSIDE" // the tests, in a mount namespace of their own
	envHolder = "SCP_RDMA_E2E_HOLDER" // a process that keeps a namespace until its stdin ends
	envBare   = "SCP_RDMA_E2E_BARE"   // one end of bare sockets: what to do as words
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(envHolder) != "":
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the test, however that ends
	case os.Getenv(envBare) != "":
		os.Exit(bare(strings.Fields(os.Getenv(envBare))))
	case os.Getuid() != 0:
		fmt.Fprintln(os.Stderr, "the end-to-end tests make mounts, namespaces and files of other users: run them as root")
		os.Exit(1)
	case os.Getenv(envInside) == "":
		os.Exit(inside())
	default:
		os.Exit(prepared(m))
	}
}

// inside runs the tests in a mount namespace of their own.
func inside() int {
	runtime.LockOSThread() // Pdeathsig is about the thread that started the child
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), envInside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return 0
}

// prepared builds the program, runs the tests and removes all they made.
func prepared(m *testing.M) int {
	unix.Umask(0o022)
	base, err := os.MkdirTemp(roomy(), "scp_rdma-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	setting.base, setting.bin, setting.key = base, filepath.Join(base, "scp_rdma"), keys.New()
	code := 1
	if err := build(setting.bin); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
	} else {
		code = m.Run()
	}
	if err := tree.Remove(base); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	return code
}

// roomy is where the trees go: memory if there is enough, else the disk.
func roomy() string {
	const want = 6 << 30 // bytes; the tests without the tag slow use less than 1 GiB at a time
	var st unix.Statfs_t
	if unix.Statfs("/dev/shm", &st) == nil && int64(st.Bavail)*st.Bsize > want {
		return "/dev/shm"
	}
	return os.TempDir()
}

// build makes the program, with the race detector if the tests have it.
func build(bin string) error {
	args := []string{"build", "-buildvcs=false", "-o", bin}
	if raceEnabled {
		args = append(args, "-race")
	}
	cmd := exec.Command("go", append(args, "../cmd/scp_rdma")...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return os.Chmod(filepath.Dir(bin), 0o755)
}
