package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"scp_rdma/wire"
)

// peer listens on loopback and does something with each connection, until the
// test ends. It gives its port.
func peer(t *testing.T, do func(c net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() { do(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range open {
			_ = c.Close() // may be closed already
		}
		mu.Unlock()
		wg.Wait()
	})
	_, port, err := net.SplitHostPort(l.Addr().String())
	must(t, err)
	return port
}

// sendTo runs a transfer of one file to a host and port.
func sendTo(t *testing.T, host, port string, args ...string) result {
	t.Helper()
	file := filepath.Join(folder(t, nobody()), "file")
	write(t, file, []byte("x"))
	return run(t, nobody(), setting.bin, append(args, "-p", port, file, host+":")...)
}

// preamble is the first word of both sides: "SRDM", control, the version.
func preamble(version uint16) []byte {
	return []byte{'S', 'R', 'D', 'M', 'C', 0, byte(version), byte(version >> 8)}
}

func TestARefusedConnectionNamesTheAddressAndTheCure(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	must(t, err)
	must(t, l.Close())
	r := sendTo(t, "127.0.0.1", port)
	r.wants(t, 1)
	r.says(t, "127.0.0.1:"+port, "refused", "scp_rdma -s")
}

func TestAnUnknownHostIsNamed(t *testing.T) {
	r := sendTo(t, "no-such-host.invalid", "1777")
	r.wants(t, 1)
	r.says(t, "no-such-host.invalid")
}

func TestAPeerThatIsNotOursIsNamed(t *testing.T) {
	t.Parallel()
	greet := func(words string) func(net.Conn) {
		return func(c net.Conn) {
			_, _ = io.WriteString(c, words) // the client may be gone already
			_, _ = io.Copy(io.Discard, c)
		}
	}
	for name, p := range map[string]struct {
		do   func(net.Conn)
		says []string
	}{
		"an ssh server": {greet("SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"), []string{"ssh"}},
		"a web server": {func(c net.Conn) {
			_, _ = io.ReadFull(c, make([]byte, 8))
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
			_ = c.Close()
		}, []string{"http"}},
		"a mail server":            {greet("220 mail.example.org ESMTP\r\n"), nil},
		"bytes without sense":      {greet("\x1b]0;owned\x07\x00\xff\xfe\xfd\x00\x00"), nil},
		"a peer that hangs up":     {func(c net.Conn) { _ = c.Close() }, nil},
		"a peer that says half":    {func(c net.Conn) { _, _ = c.Write(preamble(wire.Version)[:5]); _ = c.Close() }, nil},
		"a peer that says nothing": {func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }, nil},
		"an older version":         {func(c net.Conn) { _, _ = c.Write(preamble(0)); _, _ = io.Copy(io.Discard, c) }, []string{"version 0"}},
		"a newer version":          {func(c net.Conn) { _, _ = c.Write(preamble(999)); _, _ = io.Copy(io.Discard, c) }, []string{"version 999"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := peer(t, p.do)
			r := sendTo(t, "127.0.0.1", port)
			r.wants(t, 1)
			r.says(t, append(p.says, "127.0.0.1:"+port)...)
			if r.took > 20*time.Second {
				t.Errorf("the client gave up after %v", r.took)
			}
		})
	}
}

func TestTheServerServesOnWhateverStrangersSay(t *testing.T) {
	srv := serve(t, nobody(), folder(t, nobody()))
	for name, words := range map[string]string{
		"ssh":                      "SSH-2.0-OpenSSH_9.2p1\r\n",
		"http":                     "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"tls":                      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"no sense":                 "\x00\x00\x00\x00\x00\x00\x00\x00\x1b[31m",
		"an older version":         string(preamble(0)),
		"a newer version":          string(preamble(999)),
		"a frame too large":        string(preamble(wire.Version)) + "\xff\xff\xff\xff\x01",
		"a message unknown":        string(preamble(wire.Version)) + "\x00\x00\x00\x00\xee",
		"a hello without sense":    string(preamble(wire.Version)) + "\x04\x00\x00\x00\x01\xff\xff\xff\xff",
		"a stream out of the blue": "SRDMD\x00\x02\x00" + string(make([]byte, 200)),
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", srv.addr)
			must(t, err)
			defer c.Close()
			_, err = io.WriteString(c, words)
			must(t, err)
			must(t, c.SetDeadline(time.Now().Add(patience)))
			if _, err := io.Copy(io.Discard, c); os.IsTimeout(err) {
				t.Errorf("the server keeps a stranger for more than %v", patience)
			}
		})
	}
	srv.stillServes(t)
	srv.stop(t)
}

func TestTheServerTellsAnotherVersionWhichOneItSpeaks(t *testing.T) {
	srv := serve(t, nobody(), folder(t, nobody()))
	c, err := net.Dial("tcp", srv.addr)
	must(t, err)
	defer c.Close()
	_, err = c.Write(preamble(999))
	must(t, err)
	must(t, c.SetDeadline(time.Now().Add(patience)))
	answer, err := io.ReadAll(c)
	if len(answer) < 8 || string(answer[:4]) != "SRDM" {
		t.Fatalf("answer %q, error %v", answer, err)
	}
	if version := int(answer[6]) | int(answer[7])<<8; version == 999 || version == 0 {
		t.Errorf("the server says it speaks version %d", version)
	}
}

func TestClientsThatSayNothingDontKeepOthersWaitingAndAreDropped(t *testing.T) {
	t.Parallel()
	srv := serve(t, nobody(), folder(t, nobody()))
	var silent []net.Conn
	for i := range 100 {
		c, err := net.Dial("tcp", srv.addr)
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		if i%2 == 1 {
			_, err = c.Write(preamble(wire.Version)[:4]) // says something, and then nothing more
			must(t, err)
		}
		silent = append(silent, c)
	}
	srv.stillServes(t)
	for i, c := range silent {
		must(t, c.SetReadDeadline(time.Now().Add(patience)))
		if _, err := c.Read(make([]byte, 1)); os.IsTimeout(err) {
			t.Fatalf("connection %d was still open after %v", i, patience)
		}
	}
	srv.stillServes(t)
	srv.stop(t)
}

func TestSeveralClientsAreServedAtOnce(t *testing.T) {
	srv := serve(t, nobody(), folder(t, nobody()))
	var clients []*process
	for i := range 8 {
		file := filepath.Join(folder(t, nobody()), fmt.Sprintf("file%d", i))
		write(t, file, bytesOf(uint64(i), 3<<20))
		clients = append(clients, srv.client(t, nobody(), file, "in/"))
	}
	for i, c := range clients {
		if code := c.wait(t); code != 0 {
			t.Errorf("client %d: exit code %d: %s", i, code, c.err.String())
		}
		arrived(t, filepath.Join(srv.dir, fmt.Sprintf("in/file%d", i)), bytesOf(uint64(i), 3<<20))
	}
	srv.stop(t)
}

func TestATakenPortIsNamed(t *testing.T) {
	srv := serve(t, nobody(), folder(t, nobody()))
	r := run(t, nobody(), setting.bin, "-s", "-o", folder(t, nobody()), "-p", srv.port, "--bind", "127.0.0.1")
	r.wants(t, 1)
	r.says(t, srv.port, "in use")
	srv.stillServes(t)
}
