package engine_test

import (
	"context"
	"errors"
	"testing"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/wire"
)

// touched is a source that counts what is opened.
type touched struct {
	*localfs.Source
	opened chan string
}

func (s *touched) Open(e *localfs.Entry) (localfs.SourceFile, error) {
	s.opened <- s.Path(e)
	return s.Source.Open(e)
}

func (s *touched) ReadFile(e *localfs.Entry, p []byte) error {
	s.opened <- s.Path(e)
	return s.Source.ReadFile(e, p)
}

// rogueServer greets a client as it should, opens the target, and then says what it likes.
func rogueServer(t *testing.T, src engine.Source, say ...wire.Message) error {
	t.Helper()
	key := keys.New()
	ln, err := control.Listen(t.Context(), control.ListenConfig{Addr: "127.0.0.1:0", Keys: keys.Single("", key)})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := ln.Accept(ctx)
		if err != nil {
			return
		}
		defer conn.Abort()
		_, _ = conn.Recv(ctx)
		_ = conn.Send(&wire.Hello{
			Version: wire.Version, Session: make([]byte, 16), Rails: []wire.RailSet{{Transport: "mem", Rails: []wire.Rail{{Name: "mem"}}}},
			Limits: wire.Limits{Streams: 4, Slots: 64, SlotSize: 1 << 20, Window: 64},
		})
		_ = conn.Send(&wire.Opened{Window: 64})
		for _, m := range append(say, &wire.Bye{Code: wire.ByeError, Text: "that was all"}) {
			_ = conn.Send(m)
		}
		for {
			if _, err := conn.Recv(ctx); err != nil {
				return
			}
		}
	}()
	_, err = engine.Send(ctx, engine.SendConfig{
		Server: control.DialConfig{Addr: ln.Addr().String(), Key: &key}, Transports: transport.NewRegistry(mem.New()), RetryFor: -1,
		Source: src, Target: localfs.Target{Contents: true},
	})
	cancel()
	<-done
	return err
}

// CVE-2024-12086 of rsync: a server that asks for checksums of files that nobody offered
// learns what is in them. Ours may ask for what was announced, and for nothing else.
func TestCVE202412086AServerAsksOnlyForWhatWasOffered(t *testing.T) {
	for name, m := range map[string]wire.Message{
		"bytes":        &wire.Answers{List: []wire.Answer{{ID: 99, Action: wire.ActionNeed}}},
		"a comparison": &wire.Answers{List: []wire.Answer{{ID: 99, Action: wire.ActionCompare, Sum: make([]byte, 16)}}},
		"a result":     &wire.Results{List: []wire.Result{{ID: 99, Status: wire.StatusOK}}},
		"entries":      &wire.Entries{List: []wire.Entry{file(1, "f", 1)}},
		"a second way": &wire.Open{Contents: true},
	} {
		dir := t.TempDir()
		write(t, dir, map[string]string{"offered": "contents"})
		src := &touched{contents(t, dir), make(chan string, 100)}
		// What is about an entry that is no more is passed over, as it may be late.
		var remote *engine.RemoteError
		if err := rogueServer(t, src, m); !errors.Is(err, engine.ErrProtocol) && !errors.As(err, &remote) {
			t.Errorf("%s: %v", name, err)
		}
		if len(src.opened) > 0 {
			t.Errorf("%s: %s was opened", name, <-src.opened)
		}
	}
}

// CVE-2024-12084 of rsync: a checksum as long as the peer says overflows what it is put
// into. A digest has one length; anything else is no message.
func TestCVE202412084ADigestHasOneLength(t *testing.T) {
	for _, n := range []int{0, 1, 15, 17, 1000} {
		m := &wire.Answers{List: []wire.Answer{{ID: 1, Action: wire.ActionCompare, Sum: make([]byte, n)}}}
		if _, err := wire.AppendMessage(nil, m); !errors.Is(err, wire.ErrMalformed) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}
