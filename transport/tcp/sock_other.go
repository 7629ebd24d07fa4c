//go:build !linux

package tcp

import (
	"net"
	"syscall"
	"time"

	"scp_rdma/transport"
)

func bindToDevice(syscall.RawConn, string) (bool, error) { return false, nil }

func unpaced(syscall.RawConn) {}

func (t *Transport) tune(c *net.TCPConn, _ transport.Role) {
	_ = c.SetNoDelay(true)
	if t.cfg.SendBuffer > 0 {
		_ = c.SetWriteBuffer(t.cfg.SendBuffer)
	}
	if t.cfg.RecvBuffer > 0 {
		_ = c.SetReadBuffer(t.cfg.RecvBuffer)
	}
}

// answers can't be told here: the kernel's own retransmission limit decides.
func answers(*net.TCPConn, time.Duration) bool { return true }
