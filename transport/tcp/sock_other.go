//go:build !linux

package tcp

import (
	"net"
	"syscall"
)

func bindToDevice(syscall.RawConn, string) (bool, error) { return false, nil }

func (t *Transport) tune(c *net.TCPConn) {
	_ = c.SetNoDelay(true)
	if t.cfg.SendBuffer > 0 {
		_ = c.SetWriteBuffer(t.cfg.SendBuffer)
	}
	if t.cfg.RecvBuffer > 0 {
		_ = c.SetReadBuffer(t.cfg.RecvBuffer)
	}
}
