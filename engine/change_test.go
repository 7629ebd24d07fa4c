package engine_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"scp_rdma/control"
	"scp_rdma/engine"
	"scp_rdma/keys"
	"scp_rdma/wire"
)

// slowly is so slow that what it carries is not over before it is ended.
const slowly = 2 << 20

// takenBack is what the client hears whose key was.
func takenBack(t *testing.T, err error) {
	t.Helper()
	if remote := new(engine.RemoteError); !errors.As(err, &remote) || remote.Code != wire.ByeAuth || remote.Text != "no more: "+control.ErrAuth.Error() {
		t.Errorf("%v", err)
	}
}

// A key that is taken back ends what runs under it, whichever way the files go, and nothing
// else; what begins under it later does not begin.
func TestRecheckEndsTheSessionsOfAKeyThatIsNoLongerTaken(t *testing.T) {
	var out atomic.Pointer[keys.ID]
	key, other := keys.New(), keys.New()
	ring, err := keys.ParseRing("alice " + key.Text() + "\nbob " + other.Text() + "\n")
	if err != nil {
		t.Fatal(err)
	}
	k := start(t, func(k *kit) {
		k.ring, k.key, k.limit, k.left = ring, &key, engine.NewLimiter(slowly), true
		k.admits = func(h keys.Holder) error {
			if id := out.Load(); id != nil && h.Key.ID() == *id {
				return fmt.Errorf("no more: %w", control.ErrAuth)
			}
			return nil
		}
	})
	dir := t.TempDir()
	write(t, dir, map[string]string{"f": noise(16 << 20)})
	write(t, k.dst, map[string]string{"g": noise(16 << 20)})
	ends := make(chan error)
	run := func(do func() error) {
		t.Helper()
		go func() { ends <- do() }()
		waitOn(t, k.begun)
	}
	push := func() error { _, _, err := k.push(contents(t, dir)); return err }
	run(push)
	run(func() error { _, _, _, err := k.fetch([]string{"g"}); return err })
	k.running.Recheck() // nothing is wrong yet
	stays := make(chan error)
	go func() {
		_, _, err := k.push(contents(t, dir), func(c *engine.SendConfig) { c.Server.Key, c.Target.Path = &other, "bobs/" })
		stays <- err
	}()
	waitOn(t, k.begun)
	id := key.ID()
	out.Store(&id)
	k.running.Recheck()
	takenBack(t, waitOn(t, ends))
	takenBack(t, waitOn(t, ends))
	takenBack(t, push())
	engine.SetLimit(k.limit, 0)
	if err := waitOn(t, stays); err != nil {
		t.Error(err)
	}
}

// Limits that are changed hold for the next session, and what runs counts.
func TestChangedLimitsHoldForTheNextSession(t *testing.T) {
	k := start(t, memory, func(k *kit) { k.limit = engine.NewLimiter(slowly) })
	dir := t.TempDir()
	write(t, dir, map[string]string{"f": noise(16 << 20), "a/long/path": "x"})
	first := make(chan error)
	go func() { _, _, err := k.push(contents(t, dir)); first <- err }()
	waitOn(t, k.begun)
	k.running.Change(engine.Limits{Path: 5}, engine.Quota{Sessions: 1})
	_, _, err := k.push(contents(t, dir))
	if busy := new(control.BusyError); !errors.As(err, &busy) {
		t.Errorf("a second session of one: %v", err)
	}
	engine.SetLimit(k.limit, 0)
	if err := waitOn(t, first); err != nil {
		t.Errorf("the first: %v", err)
	}
	waitOn(t, k.sessions)
	r, _, err := k.push(contents(t, dir))
	if err != nil || r.Failed != 2 { // a/long and what is in it
		t.Errorf("%v, %+v", err, r)
	}
}
