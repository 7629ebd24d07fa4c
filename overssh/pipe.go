package overssh

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/yamux"
)

const (
	// window of one connection through the pipe, bytes: what 100 ms at 40 MB/s need.
	window = 4 << 20
	// pingEvery finds out that the client's host is gone: ssh by itself waits for hours.
	pingEvery = 10 * time.Second
	// stuck: a pipe that takes nothing for so long is dead.
	stuck = 60 * time.Second
)

func muxConfig(logger hclog.Logger) *yamux.Config {
	c := yamux.DefaultConfig()
	c.MaxStreamWindowSize = window
	c.KeepAliveInterval, c.ConnectionWriteTimeout = pingEvery, stuck
	c.StreamCloseTimeout = stuck
	c.LogOutput = nil
	c.Logger = logger.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug})
	return c
}

// pipe is what is read and written, as one.
type pipe struct {
	io.ReadCloser
	out io.WriteCloser
}

// Write implements io.Writer.
func (p *pipe) Write(b []byte) (int, error) { return p.out.Write(b) }

// Close implements io.Closer.
func (p *pipe) Close() error { return errors.Join(p.out.Close(), p.ReadCloser.Close()) }

// carry joins a connection with a stream of the pipe until both have ended.
func carry(c *net.TCPConn, st *yamux.Stream) {
	var work sync.WaitGroup
	work.Go(func() {
		if _, err := io.Copy(st, c); err != nil {
			_ = c.Close() // the way is broken: neither side hears the other any more
		}
		_ = st.Close() // an end of input: the other way goes on
	})
	if _, err := io.Copy(c, st); err != nil {
		_ = c.SetLinger(0)
		_ = c.Close()
	}
	_ = c.CloseWrite()
	work.Wait()
	_ = c.Close()
}
