package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"scp_rdma/engine"
	"scp_rdma/localfs"
	"scp_rdma/state"
)

// remembersIn is the directory that a server remembers in, made if it is missing. Without a
// place for it the server does without, unless the user named one.
func (s *estate) remembersIn(e env, con *console, o *options) (dir string, err error) {
	dir, err = o.stateIn(e)
	if err == nil {
		_, err = state.Open(dir, nil)
	}
	switch {
	case err == nil:
		return dir, nil
	case o.stateDir != "":
		return "", err
	}
	con.note("half files are not kept, and transfers that break off begin them anew: " + errorLine(err) + " (--state-dir names another place)")
	s.Forgetful = true
	return "", nil
}

// remember opens what outlives a server. forget ends what is done for it aside.
func (s *estate) remember(ctx context.Context, e env, o *options, log hclog.Logger) (st engine.State, forget func(), err error) {
	if s.Forgetful {
		return nil, func() {}, nil
	}
	dir, err := o.stateIn(e)
	if err != nil {
		return nil, nil, err
	}
	store, err := state.Open(dir, log.Named("state"))
	if err != nil {
		return nil, nil, err
	}
	s.store = store
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	work.Go(func() {
		if err := store.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			log.Warn("state", "error", err)
		}
	})
	return store, func() { cancel(); work.Wait() }, nil
}

// stateIn is where a server remembers.
func (o *options) stateIn(e env) (string, error) {
	if o.stateDir != "" {
		return o.stateDir, nil
	}
	return state.DefaultDir(e.getenv)
}

// maxAddrs bounds the addresses that a client is told.
const maxAddrs = 64

// reachable lists where the server can be reached, for clients whose connection goes:
// what it is bound to, or every address of this host but those of loopback.
func reachable(at netip.AddrPort) []string {
	if !at.Addr().IsUnspecified() {
		return []string{at.String()}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	var list []string
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok || n.IP.IsLoopback() || n.IP.IsLinkLocalUnicast() || len(list) == maxAddrs {
			continue
		}
		if at.Addr().Is4() && n.IP.To4() == nil {
			continue
		}
		list = append(list, net.JoinHostPort(n.IP.String(), strconv.Itoa(int(at.Port()))))
	}
	return list
}

// clean removes what interrupted transfers left.
func clean(con *console, o *options) error {
	root, err := localfs.OpenRoot(o.dir, false)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // a directory handle: nothing is lost with it
	var removed, failed uint64
	err = root.Clean(time.Now().Add(-cleanAge), func(path string) {
		removed++
		con.say("removed " + quote(path))
	}, func(path string, err error) {
		failed++
		con.line("scp_rdma: " + quote(path) + ": " + errorLine(err))
	})
	con.say(fmt.Sprintf("%s removed below %s", plural(removed, "leftover", "leftovers"), quote(o.dir)))
	if err == nil && failed > 0 {
		return errPartial
	}
	return err
}
