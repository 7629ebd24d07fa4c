package engine

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// fetching is what a receiver has that is a client: it dials, and it has asked.
type fetching struct {
	ways     []*route // that it can dial
	wanted   func(top string) bool
	observer Observer                            // nil: nobody watches
	seen     func(path string, e *localfs.Entry) // nil: nobody looks
	chmod    func(mode uint32, dir bool) uint32  // nil: modes are as they come
	settler  Settler                             // nil: nobody is told
	join     waiting[*wire.StreamJoin]
	outlet   *outlet // where the one file goes; nil: files are made

	would                 dry
	skippedBytes, resumed atomic.Uint64
	rails                 toldRails
	walked                atomic.Bool // the server has announced all there is
	last                  wire.Done   // of the server; once the session is over
}

// wanted is which top entries may come for paths that were asked for. Their last name, or
// what it is a pattern for; anything, where a directory's contents are.
func wanted(paths []string) func(string) bool {
	var last []string
	for _, p := range paths {
		names := strings.FieldsFunc(p, func(c rune) bool { return c == '/' })
		if len(names) == 0 || names[len(names)-1] == "." {
			return func(string) bool { return true }
		}
		last = append(last, names[len(names)-1])
	}
	return func(top string) bool {
		for _, asked := range last {
			if localfs.Matches(asked, top) {
				return true
			}
		}
		return false
	}
}

// pair finds the pair of rails with what is needed to dial.
func (f *fetching) pair(name string, local, peer transport.Rail) (transport.RailPair, error) {
	for _, rt := range f.ways {
		if rt.transport.Name() != name {
			continue
		}
		for _, l := range rt.lanes {
			for _, p := range l.pairs {
				if p.Local.Name == local.Name && p.Peer.Name == peer.Name {
					return p, nil
				}
			}
		}
	}
	return transport.RailPair{}, fmt.Errorf("rails %q and %q of %s are no pair: %w", local.Name, peer.Name, name, ErrProtocol)
}

// announced holds an entry against what was asked for.
func (f *fetching) announced(e *wire.Entry) error {
	if e.Parent == 0 && !f.wanted(string(e.Name)) {
		return fmt.Errorf("%q: %w", e.Name, ErrUnasked)
	}
	if e.Stream {
		return fmt.Errorf("%q, of no known size: %w", e.Name, ErrUnasked)
	}
	if f.outlet != nil {
		if err := f.outlet.takes(e); err != nil {
			return err
		}
	}
	if f.chmod != nil && e.Kind != wire.KindSymlink {
		e.Mode = f.chmod(e.Mode, e.Kind == wire.KindDir)
	}
	return nil
}

// resumes counts what of a half file was there.
func (f *fetching) resumes(have []wire.Range) {
	for _, r := range have {
		f.resumed.Add(uint64(r.To - r.From))
	}
}

// takeTrouble tells of what the server does not send.
func (r *receiver) takeTrouble(m *wire.Trouble) {
	if r.fetch.observer == nil {
		return
	}
	p := Problem{Path: string(m.Path), Err: errors.New(m.Text)}
	switch m.Kind {
	case wire.TroubleSpecial:
		p.Err = specialError{m.Text}
	case wire.TroubleOutside:
		p.Err = localfs.ErrOutside
		p.Sent = true
	case wire.TroubleFailed:
	}
	r.fetch.observer.Problem(p)
}

// specialError is a localfs.ErrSpecial of the other side, in its words.
type specialError struct{ text string }

// Error implements error.
func (e specialError) Error() string { return e.text }

// Is makes it one.
func (specialError) Is(target error) bool { return target == localfs.ErrSpecial }
