package tcp

import (
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bindToDevice binds a socket to an interface, socket(7). false: not allowed
// here, bind to the interface's address instead.
func bindToDevice(raw syscall.RawConn, name string) (bool, error) {
	var err error
	if ctlErr := raw.Control(func(fd uintptr) { err = unix.BindToDevice(int(fd), name) }); ctlErr != nil {
		return false, ctlErr
	}
	if errors.Is(err, unix.EPERM) {
		return false, nil
	}
	return err == nil, err
}

// tune sets what a data connection needs. Each is an improvement that the
// connection can do without, so failures don't matter.
func (t *Transport) tune(c *net.TCPConn) {
	_ = c.SetNoDelay(true)
	if t.cfg.SendBuffer > 0 {
		_ = c.SetWriteBuffer(t.cfg.SendBuffer)
	}
	if t.cfg.RecvBuffer > 0 {
		_ = c.SetReadBuffer(t.cfg.RecvBuffer)
	}
	_ = c.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable: true, Idle: t.cfg.Timeout / 2, Interval: max(t.cfg.Timeout/6, time.Second), Count: 3})
	if raw, err := c.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(t.cfg.Timeout.Milliseconds()))
		})
	}
}
