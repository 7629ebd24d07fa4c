package control

import (
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// tune sets what a control connection needs of TCP. Each is an improvement that
// the connection can do without, so failures don't matter.
func tune(nc net.Conn, timeout time.Duration) {
	tc, ok := nc.(*net.TCPConn)
	if !ok {
		return
	}
	_ = tc.SetNoDelay(true)
	_ = tc.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: timeout / 2, Interval: timeout / 6, Count: 3})
	raw, err := tc.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		// tcp(7): unacknowledged data for so long closes the connection.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(min(timeout, wayDead).Milliseconds()))
	})
}

// minRTT is the shortest round trip of a connection, from TCP_INFO, tcp(7): the mean
// counts also how long the peer thought before it answered. 0: nobody knows.
func minRTT(nc net.Conn) (rtt time.Duration) {
	tc, ok := nc.(*net.TCPConn)
	if !ok {
		return 0
	}
	raw, err := tc.SyscallConn()
	if err != nil {
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			rtt = time.Duration(info.Min_rtt) * time.Microsecond
		}
	})
	return rtt
}
