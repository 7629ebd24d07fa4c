package control

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"scp_rdma/wire"
)

// stranger listens on loopback and does what f says with each connection.
func stranger(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	noLeak(t)
	return someone(t, f)
}

// someone is a stranger in a test that looks for leaks by itself.
func someone(t *testing.T, f func(net.Conn)) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = nc.Close() }()
				f(nc)
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		wg.Wait()
	})
	return ln.Addr().String()
}

// says is a stranger's word; then it listens until the other side is gone.
func says(b []byte) func(net.Conn) {
	return func(nc net.Conn) {
		_, _ = nc.Write(b)
		_, _ = io.Copy(io.Discard, nc)
	}
}

func TestDialNamesWhatIsAtTheOtherEnd(t *testing.T) {
	greeting := func(kind byte, version uint16) []byte {
		return wire.AppendPreamble(nil, wire.Preamble{Kind: kind, Version: version})
	}
	tests := map[string]struct {
		peer  func(net.Conn)
		is    error
		words []string
	}{
		"ssh":           {says([]byte("SSH-2.0-OpenSSH_9.6\r\n")), nil, []string{"speaks ssh"}},
		"a web server":  {says([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")), nil, []string{"speaks http"}},
		"a mail server": {says([]byte("220 mail.example ESMTP\r\n")), nil, []string{"smtp or ftp"}},
		"tls":           {says([]byte{0x15, 3, 1, 0, 2, 2, 10}), nil, []string{"speaks tls"}},
		"an escape":     {says([]byte("\x1b[31m boo")), nil, []string{`"\x1b[31"`}},
		"a door":        {func(net.Conn) {}, nil, []string{"without a word"}},
		"a short word":  {func(nc net.Conn) { _, _ = nc.Write([]byte("SRD")) }, nil, []string{`"SRD"`}},
		"a newer one":   {says(greeting(wire.KindControl, 9)), ErrVersion, []string{"version 9", fmt.Sprint("version ", wire.Version), "update"}},
		"an older one":  {says(greeting(wire.KindControl, 0)), ErrVersion, []string{"version 0", fmt.Sprint("version ", wire.Version), "update"}},
		"a data port":   {says(greeting(wire.KindData, wire.Version)), wire.ErrMalformed, []string{"'D'"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			addr := stranger(t, tt.peer)
			c, err := Dial(soon(t), to(addr, Config{}))
			if err == nil {
				c.Abort()
			}
			wantError(t, err, tt.is, append(tt.words, addr)...)
		})
	}
}

func TestDialGivesUpASilentServer(t *testing.T) {
	peers := map[string]func(net.Conn){
		"silent": says(nil),
		"a byte now and then": func(nc net.Conn) {
			for _, b := range preamble()[:7] {
				if _, err := nc.Write([]byte{b}); err != nil {
					return
				}
			}
			_, _ = io.Copy(io.Discard, nc)
		},
	}
	for name, peer := range peers {
		t.Run(name, func(t *testing.T) {
			addr := stranger(t, peer)
			start := time.Now()
			_, err := Dial(t.Context(), to(addr, Config{Handshake: 100 * time.Millisecond}))
			wantError(t, err, nil, addr, "doesn't say that it is scp_rdma")
			if d := time.Since(start); d < 100*time.Millisecond || d > patience {
				t.Errorf("after %v", d)
			}
		})
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	heard := make(chan struct{})
	addr := stranger(t, func(nc net.Conn) {
		_, _ = io.ReadFull(nc, make([]byte, wire.PreambleSize))
		close(heard)
		_, _ = io.Copy(io.Discard, nc)
	})
	ctx, cancel := context.WithCancelCause(soon(t))
	why := errors.New("a person said stop")
	go func() { <-heard; cancel(why) }()
	_, err := Dial(ctx, to(addr, Config{Handshake: patience}))
	wantError(t, err, why, addr)
}

func TestDialToNobody(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	_, err = Dial(soon(t), to(addr, Config{}))
	wantError(t, err, syscall.ECONNREFUSED, addr, "is scp_rdma -s running there", "-p")
}

// Loopback has no unroutable nor nameless hosts: the words are tried on errors
// as net makes them.
func TestDialErrorsNameTheCure(t *testing.T) {
	op := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	tests := map[string]struct {
		ctx   context.Context
		err   error
		words []string
	}{
		"unknown host": {t.Context(), &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "nosuch", IsNotFound: true}}, []string{`unknown host "nosuch"`}},
		"no route":     {t.Context(), op(syscall.EHOSTUNREACH), []string{"no route"}},
		"no network":   {t.Context(), op(syscall.ENETUNREACH), []string{"no route"}},
		"timed out":    {t.Context(), op(syscall.ETIMEDOUT), []string{"no answer", "firewall"}},
		"too late":     {late, fmt.Errorf("dial: %w", os.ErrDeadlineExceeded), []string{"no answer", "firewall"}},
		"other":        {t.Context(), op(syscall.EACCES), []string{"permission denied"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			wantError(t, dialError(tt.ctx, "host:1777", tt.err), tt.err, append(tt.words, "host:1777")...)
		})
	}
}
