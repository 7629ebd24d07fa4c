package e2e

import (
	"bytes"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"scp_rdma/wire"
)

// relay hands everything on between a client and a server, and shows what each
// connection that carries data begins with, once the server has answered it.
func relay(t *testing.T, addr string, joined func(join []byte)) string {
	return peer(t, func(c net.Conn) {
		up, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		defer up.Close()
		first := make([]byte, wire.PreambleSize+wire.JoinSize)
		if _, err := io.ReadFull(c, first[:wire.PreambleSize]); err != nil {
			return
		}
		if first[4] != wire.KindData {
			first = first[:wire.PreambleSize]
		} else if _, err := io.ReadFull(c, first[wire.PreambleSize:]); err != nil {
			return
		}
		if _, err := up.Write(first); err != nil {
			return
		}
		if first[4] == wire.KindData {
			hello := make([]byte, wire.JoinSize)
			if _, err := io.ReadFull(up, hello); err != nil {
				return
			}
			joined(first)
			if _, err := c.Write(hello); err != nil {
				return
			}
		}
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = io.Copy(up, c); _ = up.(*net.TCPConn).CloseWrite() })
		_, _ = io.Copy(c, up)
		_ = c.Close()
		wg.Wait()
	})
}

// offered says whether a server answers these bytes of a data connection.
func offered(t *testing.T, addr string, b []byte) bool {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	must(t, err)
	defer c.Close()
	must(t, c.SetDeadline(time.Now().Add(patience)))
	_, err = c.Write(b)
	must(t, err)
	n, err := c.Read(make([]byte, 1))
	if os.IsTimeout(err) {
		t.Error("the server neither answers nor closes")
	}
	return n > 0
}

func TestJoinsAreGoodOnce(t *testing.T) {
	srv := serve(t, nobody(), folder(t, nobody()))
	var mu sync.Mutex
	var joins [][]byte
	port := relay(t, srv.addr, func(join []byte) {
		// The stream is joined, the session runs: now come all the others.
		if offered(t, srv.addr, join) {
			t.Error("a join is good twice")
		}
		for at := range wire.JoinSize {
			bad := bytes.Clone(join)
			bad[wire.PreambleSize+at] ^= 1
			if at%7 == 0 && offered(t, srv.addr, bad) {
				t.Errorf("a join with byte %d changed is good", at)
			}
		}
		mu.Lock()
		defer mu.Unlock()
		joins = append(joins, join)
	})
	r := sendTo(t, "127.0.0.1", port, "--transport", "tcp")
	r.wants(t, 0)
	arrived(t, filepath.Join(srv.dir, "file"), []byte("x"))
	mu.Lock()
	defer mu.Unlock()
	if len(joins) == 0 {
		t.Fatal("no data connection was seen")
	}
	for _, join := range joins {
		if offered(t, srv.addr, join) {
			t.Error("a join is good after its session")
		}
	}
	srv.stop(t)
}
