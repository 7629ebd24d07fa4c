package transporttest

import (
	"errors"
	"testing"

	"scp_rdma/transport"
)

func testPair(t *testing.T, s *suite) {
	for _, p := range s.pairs(t) {
		if p.Local.Name == "" || p.Peer.Name == "" || len(p.Local.Info) > transport.MaxRailInfo {
			t.Errorf("pair %+v", p)
		}
	}
	a, b := s.open(t)
	if a.Rail() == "" || b.Rail() == "" {
		t.Errorf("rails %q and %q", a.Rail(), b.Rail())
	}
	pump(t, a, b, 0, 1, 10, 10)
}

func testPairNothing(t *testing.T, s *suite) {
	local, err := s.Initiator.Probe(within(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Initiator.Pair(local, nil, s.Control); !errors.Is(err, transport.ErrUnavailable) {
		t.Errorf("pair with nothing: %v", err)
	}
}

func testRoles(t *testing.T, s *suite) {
	for _, role := range []transport.Role{transport.Sender, transport.Receiver} {
		mine := s.request(t)
		mine.Stream = uint32(role)
		theirs := mine
		mine.Role, theirs.Role = role, transport.Sender+transport.Receiver-role
		a, b, errA, errB := s.connect(t, mine, theirs)
		if errA != nil || errB != nil {
			t.Fatalf("initiator as role %d: %v, %v", role, errA, errB)
		}
		if role == transport.Receiver {
			a, b = b, a
		}
		pump(t, a.(transport.SendStream), b.(transport.RecvStream), 0, 20, 64, 4096)
	}
}

func testProof(t *testing.T, s *suite) {
	for name, change := range map[string]func(r *transport.OpenRequest){
		"key":       func(r *transport.OpenRequest) { r.Key = []byte("another key, quite as long as that") },
		"session":   func(r *transport.OpenRequest) { r.Session[0]++ },
		"stream":    func(r *transport.OpenRequest) { r.Stream++ },
		"epoch":     func(r *transport.OpenRequest) { r.Epoch++ },
		"slots":     func(r *transport.OpenRequest) { r.Slots++ },
		"slot size": func(r *transport.OpenRequest) { r.SlotSize *= 2 },
	} {
		mine := s.request(t)
		theirs := mine
		mine.Role, theirs.Role = transport.Sender, transport.Receiver
		change(&mine)
		_, _, errA, errB := s.connect(t, mine, theirs)
		if errA == nil || errB == nil {
			t.Errorf("joined with another %s: %v, %v", name, errA, errB)
		}
	}
}

func testLimits(t *testing.T, s *suite) {
	for name, change := range map[string]func(r *transport.OpenRequest){
		"no role":           func(r *transport.OpenRequest) { r.Role = 0 },
		"no slots":          func(r *transport.OpenRequest) { r.Slots = 0 },
		"too many slots":    func(r *transport.OpenRequest) { r.Slots = transport.MaxSlots + 1 },
		"small slots":       func(r *transport.OpenRequest) { r.SlotSize = transport.MinSlotSize - 4096 },
		"large slots":       func(r *transport.OpenRequest) { r.SlotSize = transport.MaxSlotSize + 4096 },
		"half-page slots":   func(r *transport.OpenRequest) { r.SlotSize = 6000 },
		"a key of one byte": func(r *transport.OpenRequest) { r.Key = []byte("k") },
	} {
		r := s.request(t)
		r.Role = transport.Sender
		change(&r)
		if e, err := s.Initiator.Open(within(t), r); !errors.Is(err, transport.ErrProtocol) {
			t.Errorf("%s: %v, %v", name, e, err)
		}
	}
}
