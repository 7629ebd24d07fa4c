//go:build rdma

package transfer

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/control"
	"scp_rdma/internal/testkit"
	trees "scp_rdma/internal/tree"
	"scp_rdma/keys"
	"scp_rdma/test/hostile"
	"scp_rdma/transport/verbs"
)

// A client with a good key does its worst over queue pairs: the server goes on, its memory
// stays bounded, and nothing outside of its directory changes.
func TestAHostileClientOverRDMAHarmsNobody(t *testing.T) {
	parent, err := os.MkdirTemp("", "hostile") //nolint:usetesting // t.TempDir can't remove directories as deep as these
	check(t, err)
	t.Cleanup(func() {
		// A descriptor for each of thousands of levels.
		check(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1 << 16, Max: 1 << 16}))
		check(t, trees.Remove(parent))
	})
	w, err := hostile.NewWitness(parent, os.Getuid())
	check(t, err)
	s := serveIn(t, parent)
	key, err := keys.Load(filepath.Join(parent, "key"))
	check(t, err)
	p := &hostile.Peer{
		Server:    control.DialConfig{Addr: "127.0.0.1:1777", Key: &key},
		Transport: verbs.New(verbs.Config{Devices: verbs.Host()}),
		Patience:  4 * time.Minute, // one attack makes thousands of directories, on an emulated CPU
	}
	large, _ := tree(t)
	c := s.begin(t, "-q", large, self)
	for _, a := range hostile.Attacks() {
		if err := p.Run(t.Context(), a); err != nil {
			t.Error(err)
		}
		if changed, err := w.Changed(); err != nil || changed != "" {
			t.Fatalf("%s: %v %s", a.Name, err, changed)
		}
	}
	<-c.done
	if code := c.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the honest client ends with %d: %s", code, c.out)
	}
	arrived(t, large, filepath.Join(s.dir, filepath.Base(large)))
	peak, err := testkit.PeakMemory(s.cmd.Process.Pid)
	check(t, err)
	t.Logf("the server's peak memory: %d MiB", peak>>20) // the race detector's is in it
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait() // it has said much about what was done to it
}
