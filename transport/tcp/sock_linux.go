package tcp

import (
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"scp_rdma/transport"
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
// connection can do without, so failures don't matter. A receiver sends only
// credits, which always have room: nothing but a dead peer leaves them
// unacknowledged, so TCP_USER_TIMEOUT is right for it. For a sender it is not:
// Linux also counts the time that the peer's window is closed, with every probe
// answered, and would take a slow disk for a dead host (seen on 6.18). A sender
// looks for itself: answers.
func (t *Transport) tune(c *net.TCPConn, role transport.Role) {
	_ = c.SetNoDelay(true)
	if t.cfg.SendBuffer > 0 {
		_ = c.SetWriteBuffer(t.cfg.SendBuffer)
	}
	if t.cfg.RecvBuffer > 0 {
		_ = c.SetReadBuffer(t.cfg.RecvBuffer)
	}
	_ = c.SetKeepAliveConfig(net.KeepAliveConfig{
		Enable: true, Idle: t.cfg.Timeout / 2, Interval: max(t.cfg.Timeout/6, time.Second), Count: 3})
	if raw, err := c.SyscallConn(); err == nil && role == transport.Receiver {
		_ = raw.Control(func(fd uintptr) {
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(t.cfg.Timeout.Milliseconds()))
		})
	}
}

// unpaced takes congestion control off a socket that will connect inside this host,
// where there is nothing to congest. It must be before connect(2): bbr starts its pacing
// when the connection is made, and a socket keeps the timers of that even if it gets
// another algorithm later. They cost a quarter of all CPU time between two processes
// (1.20 to 0.88 s a GiB, bench/results/2026-11-29.md).
func unpaced(raw syscall.RawConn) {
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno") // always there, tcp(7)
	})
}

// answers says whether the peer's kernel lives, as far as can be told: it has
// been heard of within limit, or nothing is owed to us. Probes of a closed
// window are rare when it is closed for long (up to two minutes apart, tcp(7)),
// but each is answered at once: three without an answer are owed.
func answers(c *net.TCPConn, limit time.Duration) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	alive := false
	err = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		silent := time.Duration(info.Last_ack_recv) * time.Millisecond
		alive = silent < limit || info.Unacked == 0 && info.Probes < 3
	})
	return err == nil && alive
}
