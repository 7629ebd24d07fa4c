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
}

// cut says whether the way to the peer is gone: its kernel owes an acknowledgement, and
// has given none for limit. A window that stays closed is none: each probe of it is
// answered, if rarely. TCP_USER_TIMEOUT, tcp(7), does not tell the two apart (Linux 6.18).
func cut(nc net.Conn, limit time.Duration) bool {
	info := tcpInfo(nc)
	if info == nil || time.Duration(info.Last_ack_recv)*time.Millisecond < limit {
		return false
	}
	// What was sent a moment ago, after both ends slept, is not sent again yet.
	return info.Unacked > 0 && info.Retransmits > 0 || info.Probes >= 3
}

// minRTT is the shortest round trip of a connection: the mean counts also how long
// the peer thought before it answered. 0: nobody knows.
func minRTT(nc net.Conn) time.Duration {
	info := tcpInfo(nc)
	if info == nil {
		return 0
	}
	return time.Duration(info.Min_rtt) * time.Microsecond
}

// tcpInfo is TCP_INFO, tcp(7); nil if there is none.
func tcpInfo(nc net.Conn) (info *unix.TCPInfo) {
	tc, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tc.SyscallConn()
	if err != nil {
		return nil
	}
	_ = raw.Control(func(fd uintptr) {
		if i, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			info = i
		}
	})
	return info
}
