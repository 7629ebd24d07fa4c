//go:build rdma || rdma_siw || rdma_matrix || rdma_two || rdma_power

package transfer

import (
	"os/exec"
	"testing"

	"scp_rdma/internal/testkit"
	trees "scp_rdma/internal/tree"
)

// self is who the client sends to.
const self = "127.0.0.1:"

// client is a running transfer.
type client struct {
	*exec.Cmd
	out  *testkit.Output // all it says
	done chan struct{}
}

// begin starts a client; the test's end kills it if it still runs.
func (s *server) begin(t *testing.T, args ...string) *client {
	t.Helper()
	c := &client{Cmd: exec.Command(bin(t), args...), out: &testkit.Output{}, done: make(chan struct{})}
	s.start(t, c)
	return c
}

// start is begin for a client that is made already.
func (s *server) start(t *testing.T, c *client) {
	t.Helper()
	c.Env, c.Stdout, c.Stderr = s.env, c.out, c.out
	check(t, c.Start())
	go func() {
		defer close(c.done)
		_ = c.Wait() // the exit code tells
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill() // it may have ended
		<-c.done
	})
}

// ended says whether the client is over.
func (c *client) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// alike fails the test for each difference between a source and its copy.
func alike(t *testing.T, src, copied string, o trees.Options) {
	t.Helper()
	diffs, err := trees.Compare(src, copied, o)
	check(t, err)
	for _, d := range diffs {
		t.Error(d)
	}
	if t.Failed() {
		t.FailNow()
	}
}
