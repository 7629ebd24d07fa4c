package engine_test

import (
	"context"
	"errors"
	"testing"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/transport/transporttest"
	"scp_rdma/wire"
)

// inspect looks at the server.
func (k *kit) inspect() (*engine.Inspection, error) {
	return engine.Inspect(k.t.Context(), engine.InspectConfig{Server: k.dial(), Transports: transport.NewRegistry(k.client)})
}

func TestInspectProvesEveryPairAndOpensNoTarget(t *testing.T) {
	for name, kind := range kinds() {
		t.Run(name, func(t *testing.T) {
			k := start(t, kind, func(k *kit) {
				k.describe = func(context.Context) []byte { return []byte(`{"a":1}`) }
				k.once = true // what only looks is no session
				k.sink = func(s engine.Sink) engine.Sink { t.Error("a target was opened"); return s }
			})
			for range 2 {
				got, err := k.inspect()
				if err != nil {
					t.Fatal(err)
				}
				if string(got.Report) != `{"a":1}` || len(got.Pairs) == 0 || len(got.Passed) != 0 {
					t.Fatalf("%+v", got)
				}
				for _, p := range got.Pairs {
					if p.Err != nil || p.Transport != name || p.Bytes != 1<<20 || p.Joined <= 0 || p.Took <= 0 {
						t.Errorf("%+v", p)
					}
				}
			}
		})
	}
}

func TestInspectFindsARailThatDamagesBytes(t *testing.T) {
	k := start(t, func(k *kit) {
		tr := mem.New("a", "b")
		k.client = tr
		frames := 0
		k.server = transporttest.Faulty(tr, transporttest.Plan{Corrupt: func(_ uint64, data []byte) {
			if frames++; frames == 2 { // of the first pair, and of no other
				data[len(data)-1] ^= 1
			}
		}})
	})
	got, err := k.inspect()
	if err != nil {
		t.Fatal(err)
	}
	var bad, good int
	for _, p := range got.Pairs {
		switch {
		case errors.Is(p.Err, engine.ErrVerify):
			bad++
		case p.Err == nil:
			good++
		default:
			t.Errorf("%+v", p)
		}
	}
	if bad != 1 || good != 2 { // a is joined with its second candidate
		t.Errorf("%d pairs damage bytes, %d don't: %+v", bad, good, got.Pairs)
	}
}

// What no pair can be made of is in the result.
func TestInspectTellsWhyThereIsNoPair(t *testing.T) {
	k := start(t)
	mem := &kit{}
	kinds()["mem"](mem)
	k.client = mem.client
	got, err := k.inspect()
	if err != nil || len(got.Pairs) != 0 || len(got.Passed) != 1 || !errors.Is(got.Passed[0], transport.ErrUnavailable) {
		t.Errorf("%v, %+v", err, got)
	}
}

// A client that inspects and then announces entries has no target to put them into.
func TestEntriesOfOneWhoOnlyInspectsAreRefused(t *testing.T) {
	for _, m := range []wire.Message{
		&wire.Entries{List: []wire.Entry{{ID: 1, Kind: wire.KindFile, Name: []byte("x"), Size: 1}}},
		&wire.Abort{IDs: []uint64{1}},
		&wire.Done{},
	} {
		k := start(t, kinds()["mem"], func(k *kit) { k.sink = func(s engine.Sink) engine.Sink { t.Error("a target was opened"); return s } })
		conn, err := control.Dial(t.Context(), k.dial())
		if err != nil {
			t.Fatal(err)
		}
		say := func(m wire.Message) {
			t.Helper()
			if err := conn.Send(m); err != nil {
				t.Fatal(err)
			}
		}
		say(&wire.Hello{Version: wire.Version, Software: "x"})
		say(&wire.Inspect{})
		say(m)
		for {
			got, err := conn.Recv(t.Context())
			if err != nil {
				t.Fatalf("%T: %v", m, err)
			}
			if bye, ok := got.(*wire.Bye); ok {
				if bye.Code != wire.ByeProtocol {
					t.Errorf("%T: %+v", m, bye)
				}
				break
			}
		}
		conn.Abort()
	}
}
