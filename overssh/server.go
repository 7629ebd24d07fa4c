package overssh

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/yamux"
)

// Pipe is the other end's side of the pipe, once it has answered.
type Pipe struct {
	mux  *yamux.Session
	work sync.WaitGroup
}

// Serve carries connections that come through the pipe to a port of this host, host:port.
func Serve(ctx context.Context, in io.ReadCloser, out io.WriteCloser, to string, logger hclog.Logger) (*Pipe, error) {
	if logger == nil {
		logger = hclog.NewNullLogger()
	}
	mux, err := yamux.Server(&pipe{in, out}, muxConfig(logger))
	if err != nil {
		return nil, err
	}
	p := &Pipe{mux: mux}
	p.work.Go(func() {
		for {
			st, err := mux.AcceptStream()
			if err != nil {
				return
			}
			nc, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", to)
			if err != nil {
				logger.Warn("a connection through ssh does not reach the own port", "error", err)
				_ = st.Close()
				continue
			}
			p.work.Go(func() { carry(nc.(*net.TCPConn), st) })
		}
	})
	return p, nil
}

// Ended is closed when the pipe has ended: the client is gone.
func (p *Pipe) Ended() <-chan struct{} { return p.mux.CloseChan() }

// Close ends the pipe.
func (p *Pipe) Close() error {
	err := p.mux.Close()
	p.work.Wait()
	return err
}
