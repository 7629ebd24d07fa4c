package verbs

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/transport/verbs/internal/softnic"
	"scp_rdma/wire"
)

// sides is two hosts, their transports and the requests of a stream between them, whose
// initiator sends.
type sides struct {
	f                 *softnic.Fabric
	near, far         *softnic.Host
	mine, theirs      *Transport
	request, answered transport.OpenRequest
}

func between(t *testing.T, specs func(n int, host byte) []softnic.Spec, a, b Config) *sides {
	t.Helper()
	s := &sides{f: &softnic.Fabric{}}
	s.near, s.far = s.f.Host(specs(1, 1)...), s.f.Host(specs(1, 2)...)
	a.Devices, b.Devices = s.near, s.far
	s.mine, s.theirs = New(a), New(b)
	t.Cleanup(func() {
		if left := s.f.Leaks(); len(left) != 0 {
			t.Errorf("left open: %v", left)
		}
	})
	ours, errA := s.mine.Probe(t.Context())
	others, errB := s.theirs.Probe(t.Context())
	pairs, errC := s.mine.Pair(ours, others, transport.Path{})
	if err := errors.Join(errA, errB, errC); err != nil {
		t.Fatal(err)
	}
	s.request = transport.OpenRequest{
		Pair: pairs[0], Role: transport.Sender, Initiator: true, Key: []byte("a key of thirty-two bytes, or so!"), Slots: 4, SlotSize: 8192,
	}
	s.answered = s.request
	s.answered.Role, s.answered.Initiator = transport.Receiver, false
	s.answered.Pair.Local, s.answered.Pair.Peer = s.request.Pair.Peer, s.request.Pair.Local
	return s
}

// open opens both ends, the responder knowing the initiator's offer.
func (s *sides) open(t *testing.T) (a, b transport.Endpoint, err error) {
	t.Helper()
	a, err = s.mine.Open(t.Context(), s.request)
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(func() { _ = a.Close() })
	s.answered.Offer = a.Offer()
	b, err = s.theirs.Open(t.Context(), s.answered)
	if err == nil {
		t.Cleanup(func() { _ = b.Close() })
	}
	return a, b, err
}

// connect joins both ends.
func connect(t *testing.T, a, b transport.Endpoint) (transport.SendStream, transport.RecvStream) {
	t.Helper()
	sent, err := a.Connect(t.Context(), b.Offer())
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Connect(t.Context(), a.Offer())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = sent.Close(), got.Close() })
	return sent.(transport.SendStream), got.(transport.RecvStream)
}

func offer(t *testing.T, e transport.Endpoint) wire.VerbsOffer {
	t.Helper()
	o, err := wire.ParseVerbsOffer(e.Offer())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// Which way a stream is connected: the initiator says it, iWARP knows one only, and an
// end that was told otherwise says so.
func TestHowQPsAreConnected(t *testing.T) {
	for name, tt := range map[string]struct {
		specs        func(int, byte) []softnic.Spec
		mine, theirs Connect
		cm           bool
		says         string
	}{
		"RoCE":                      {devices, Auto, Auto, false, ""},
		"RoCE, as the client says":  {devices, CM, Auto, true, ""},
		"RoCE, both say cm":         {devices, CM, CM, true, ""},
		"RoCE, both say oob":        {devices, OOB, OOB, false, ""},
		"RoCE, the server may not":  {devices, CM, OOB, false, "--connect oob"},
		"RoCE, the server wants to": {devices, Auto, CM, false, "--connect cm"},
		"iWARP":                     {iwarp, Auto, Auto, true, ""},
		"iWARP, the client says cm": {iwarp, CM, Auto, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := between(t, tt.specs, Config{Connect: tt.mine}, Config{Connect: tt.theirs})
			a, b, err := s.open(t)
			if tt.says != "" {
				if !errors.Is(err, transport.ErrUnavailable) || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("open: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if o := offer(t, b); o.CM != tt.cm || (o.Port != 0) != tt.cm || offer(t, a).CM != tt.cm {
				t.Errorf("offers %+v and %+v", offer(t, a), o)
			}
			connect(t, a, b)
		})
	}
}

func TestWhyADeviceCannotBeConnected(t *testing.T) {
	f := &softnic.Fabric{}
	why := errors.Join(errors.New("modprobe rdma_ucm"), transport.ErrUnavailable)
	for name, tt := range map[string]struct {
		host    *softnic.Host
		connect Connect
		noCM    error
		says    string
	}{
		"iWARP without rdma_cm":   {f.Host(iwarp(1, 1)...), Auto, why, "modprobe rdma_ucm"},
		"RoCE that needs none":    {f.Host(devices(1, 1)...), Auto, why, ""},
		"RoCE that shall have it": {f.Host(devices(1, 1)...), CM, why, "modprobe rdma_ucm"},
		"iWARP by hand":           {f.Host(iwarp(1, 1)...), OOB, nil, "leave out --connect oob"},
		"iWARP without an address": {f.Host(func() []softnic.Spec {
			bare := iwarp(1, 1)
			bare[0].GIDs = nil
			return bare
		}()...), Auto, nil, "ip addr add"},
	} {
		tt.host.NoConnector(tt.noCM)
		_, err := New(Config{Devices: tt.host, Connect: tt.connect}).Probe(t.Context())
		if (err == nil) != (tt.says == "") || err != nil && (!errors.Is(err, transport.ErrUnavailable) || !strings.Contains(err.Error(), tt.says)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Only ports that were given are listened on, the first that is free, and no longer than
// there are streams.
func TestPortsOfRDMACM(t *testing.T) {
	s := between(t, iwarp, Config{}, Config{CMPorts: Ports{5000, 5001}})
	cm, err := s.far.Connector()
	if err != nil {
		t.Fatal(err)
	}
	at := func(port uint16) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 2, 0, 2}), port)
	}
	first, err := cm.Listen(at(5000))
	if err != nil {
		t.Fatal(err)
	}
	a, b, err := s.open(t)
	if err != nil || offer(t, b).Port != 5001 {
		t.Fatalf("offer %+v, %v", offer(t, b), err)
	}
	sent, got := connect(t, a, b)
	if _, err := cm.Listen(at(5001)); err == nil {
		t.Error("its port is free")
	}
	if err := errors.Join(sent.Close(), got.Close()); err != nil {
		t.Error(err)
	}
	second, err := cm.Listen(at(5001))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.open(t); !errors.Is(err, transport.ErrUnavailable) || !strings.Contains(err.Error(), "--cm-port") {
		t.Errorf("all ports taken: %v", err)
	}
	if err := errors.Join(first.Close(), second.Close()); err != nil {
		t.Error(err)
	}
}

// Whoever can reach the port is refused without the word that the session's key makes,
// and with one of another stream.
func TestRequestsOfStrangersAreRefused(t *testing.T) {
	s := between(t, iwarp, Config{}, Config{})
	a, b, err := s.open(t)
	if err != nil {
		t.Fatal(err)
	}
	o := offer(t, b)
	right := word(s.request.Key, o.Nonce, a.Offer(), b.Offer())
	for name, said := range map[string][]byte{
		"nothing":              nil,
		"a short word":         right[:8],
		"another nonce":        append([]byte{right[0] ^ 1}, right[1:]...),
		"the nonce alone":      right[:16],
		"a proof with a bit":   append(bytes.Clone(right[:47]), right[47]^1),
		"one with another key": word([]byte("another"), o.Nonce, a.Offer(), b.Offer()),
		"one of another offer": word(s.request.Key, o.Nonce, b.Offer(), b.Offer()),
	} {
		if err := s.stranger(t, o, said); !errors.Is(err, transport.ErrPeerGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	connect(t, a, b) // nobody has used up the place
	if err := s.stranger(t, o, right); !errors.Is(err, transport.ErrPeerGone) {
		t.Errorf("the right word once more: %v", err)
	}
}

// stranger asks for a connection as somebody on the network can.
func (s *sides) stranger(t *testing.T, o wire.VerbsOffer, said []byte) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d, err := s.near.Open("siw0")
	if err != nil {
		t.Fatal(err)
	}
	pd, errPD := d.AllocPD()
	cq, errCQ := d.CreateCQ(8)
	q, _, errQP := pd.CreateQP(cq, nic.Caps{SendWR: 1, RecvWR: 1})
	cm, errCM := s.near.Connector()
	if err := errors.Join(errPD, errCQ, errQP, errCM, q.ToInit(1, 0)); err != nil {
		t.Fatal(err)
	}
	conn, err := cm.Dial(ctx, netip.AddrFrom4([4]byte{10, 2, 0, 1}), netip.AddrPortFrom(netip.AddrFrom16(o.GID).Unmap(), o.Port))
	if err != nil {
		t.Fatal(err)
	}
	err = conn.Connect(ctx, q, said, nic.Peer{PathMTU: 1024}, nic.Retry{})
	if err := errors.Join(q.Close(), conn.Close(), cq.Close(), pd.Close(), d.Close()); err != nil {
		t.Error(err)
	}
	return err
}

// A peer can't have us dial whom it likes.
func TestAPlaceThatIsNotThePeersIsNotDialled(t *testing.T) {
	s := between(t, iwarp, Config{}, Config{})
	a, b, err := s.open(t)
	if err != nil {
		t.Fatal(err)
	}
	o := offer(t, b)
	o.GID = netip.MustParseAddr("::ffff:10.2.0.77").As16()
	if _, err := a.Connect(t.Context(), o.Append(nil)); !errors.Is(err, transport.ErrProtocol) || !strings.Contains(err.Error(), "10.2.0.77") {
		t.Errorf("connect: %v", err)
	}
}

// On iWARP what is posted completes whether or not there is anybody: who hears nothing
// gives up, on either side. Who is slow, and not dead, answers.
func TestADeadHostIsNoticedOnIWARP(t *testing.T) {
	c := Config{Heartbeat: 10 * time.Millisecond, Stall: 300 * time.Millisecond}
	s := between(t, iwarp, c, c)
	a, b, err := s.open(t)
	if err != nil {
		t.Fatal(err)
	}
	sent, got := connect(t, a, b)
	broken := []<-chan struct{}{sent.(transport.Breaker).Broken(), got.(transport.Breaker).Broken()}
	select {
	case <-broken[0]:
		t.Fatal("the sender gave up an idle peer")
	case <-broken[1]:
		t.Fatal("the receiver gave up an idle peer")
	case <-time.After(5 * c.Stall):
	}
	s.far.Mute("siw0")
	for i, ch := range broken {
		select {
		case <-ch:
		case <-time.After(time.Minute):
			t.Errorf("side %d goes on", i)
		}
	}
	if err := post(t.Context(), sent, 8); !errors.Is(err, transport.ErrPeerGone) || !strings.Contains(err.Error(), "nothing was heard") {
		t.Errorf("send: %v", err)
	}
}
