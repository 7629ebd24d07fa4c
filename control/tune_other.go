//go:build !linux

package control

import (
	"net"
	"time"
)

func tune(nc net.Conn, timeout time.Duration) {
	if tc, ok := nc.(*net.TCPConn); ok {
		_ = tc.SetNoDelay(true)
		_ = tc.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: timeout / 2, Interval: timeout / 6, Count: 3})
	}
}

func minRTT(net.Conn) time.Duration { return 0 }

// cut: nobody tells; Timeout finds it.
func cut(net.Conn, time.Duration) bool { return false }
