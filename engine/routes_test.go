package engine_test

import (
	"errors"
	"strings"
	"testing"

	"scp_rdma/engine"
	"scp_rdma/transport"
	"scp_rdma/transport/mem"
	"scp_rdma/transport/transporttest"
)

// named is a transport under another name.
type named struct {
	transport.Transport
	name string
}

func (n named) Name() string { return n.name }

// dead is a transport that looks good until a stream is to be joined, on the rails
// for which swallows says so.
func dead(tr transport.Transport, swallows func(rail string) bool) transport.Transport {
	return transporttest.Faulty(tr, transporttest.Plan{Connect: func(req transport.OpenRequest) error {
		if swallows(req.Pair.Local.Name) {
			return transport.ErrPeerGone
		}
		return nil
	}})
}

func every(string) bool { return true }

func TestATransportOverWhichNothingComesAboutIsPassedOver(t *testing.T) {
	best, good := named{mem.New("a", "b"), "best"}, mem.New()
	k := start(t, func(k *kit) { k.server, k.others = best, []transport.Transport{good} })
	dir := sample(t)
	r, w, err := k.push(contents(t, dir), func(c *engine.SendConfig) {
		c.Transports = transport.NewRegistry(named{dead(best, every), "best"}, good)
		c.Streams = 8
	})
	if err != nil || r.Transport != "mem" || len(r.Rails) != 1 || r.Rails[0].Streams != 8 {
		t.Fatalf("send: %v, %+v", err, r)
	}
	same(t, dir, k.dst)
	if len(w.chosen) != 2 || w.chosen[0].transport != "best" || w.chosen[1].transport != "mem" || len(w.chosen[1].passed) != 1 {
		t.Fatalf("told: %v", w.chosen)
	}
	if text := w.chosen[1].passed[0].Error(); !strings.HasPrefix(text, "best: rail ") || !strings.Contains(text, transport.ErrPeerGone.Error()) {
		t.Errorf("why not the best: %s", text)
	}
}

// near is a transport inside one host, which the peer is not on.
type near struct{ named }

func (near) Shortcut() bool { return true }

func (near) Pair(_, _ []transport.Rail, _ transport.Path) ([]transport.RailPair, error) {
	return nil, transport.ErrUnavailable
}

func TestThatAShortcutDoesNotReachIsToldOnlyIfNothingElseWasAskedFor(t *testing.T) {
	short, good := near{named{mem.New("a"), "short"}}, mem.New("b")
	k := start(t, func(k *kit) { k.server, k.others = short, []transport.Transport{good} })
	_, w, err := k.push(contents(t, sample(t)), func(c *engine.SendConfig) {
		c.Transports = transport.NewRegistry(short, good)
	})
	if err != nil || len(w.chosen) != 1 || w.chosen[0].transport != "mem" || len(w.chosen[0].passed) != 0 {
		t.Errorf("beside another: %v, told %v", err, w.chosen)
	}
	_, _, err = k.push(contents(t, sample(t)), func(c *engine.SendConfig) {
		c.Transports = transport.NewRegistry(short)
	})
	if !errors.Is(err, transport.ErrUnavailable) || !strings.Contains(err.Error(), "short: ") {
		t.Errorf("alone: %v", err)
	}
}

func TestIfNothingComesAboutOverAnyTransportAllReasonsAreTold(t *testing.T) {
	best, good := named{mem.New("a"), "best"}, mem.New("b")
	k := start(t, func(k *kit) { k.server, k.others = best, []transport.Transport{good} })
	_, _, err := k.push(contents(t, sample(t)), func(c *engine.SendConfig) {
		c.Transports = transport.NewRegistry(named{dead(best, every), "best"}, dead(good, every))
	})
	if !errors.Is(err, transport.ErrUnavailable) || !strings.Contains(err.Error(), "rail a") || !strings.Contains(err.Error(), "rail b") {
		t.Errorf("send: %v", err)
	}
}

func TestARailOnWhichNothingComesAboutLeavesItsShareToTheOthers(t *testing.T) {
	tr := mem.New("a", "b")
	k := start(t, func(k *kit) { k.server = tr })
	k.client = dead(tr, func(rail string) bool { return rail == "b" })
	dir := sample(t)
	r, _, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.Streams = 4 })
	if err != nil || len(r.Rails) == 0 || r.Rails[0].Streams < 2 || r.Rails[0].Bytes == 0 || len(r.Rails) > 1 && r.Rails[1].Bytes > 0 {
		t.Fatalf("send: %v, %+v", err, r)
	}
	same(t, dir, k.dst)
	_, _, err = k.push(contents(t, dir), func(c *engine.SendConfig) { c.EveryRail = true })
	if !errors.Is(err, transport.ErrUnavailable) || !strings.Contains(err.Error(), "rail b") {
		t.Errorf("a rail that was named: %v", err)
	}
}
