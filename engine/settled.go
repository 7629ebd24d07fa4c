package engine

import (
	"fmt"
	"strings"

	"scp_rdma/localfs"
	"scp_rdma/wire"
)

// Settler is told of each entry that ended well. Its methods are called by any goroutine, but
// for Begin.
type Settler interface {
	// Begin: a session begins. All that was told of an earlier one, which broke off, comes again.
	Begin()
	// Settled: the receiver has the entry, and has said so. With SendConfig.Fsync it is on the
	// disk there, by its name, only when Send returns nil.
	Settled(e *localfs.Entry, s Settlement)
}

// Settlement is how an entry ended well.
type Settlement struct {
	How    How
	Path   string // below the destination, or the name of the one file that it is
	Digest []byte // of the file at the receiver, where that was asked for; none of what was passed over
}

// How says what was done with an entry.
type How uint8

// A file was written, and with SendConfig.Verify read back from the disk; it was there
// already, and its contents were compared; it was there, and nobody looked into it: it has the
// same size and time, or is not wanted. Of what is no file, or only one more name of one, that
// it was made.
const (
	HowWritten How = iota + 1
	HowCompared
	HowThere
	HowMade
)

// settled tells of an entry that the receiver has.
func (s *sender) settled(it *item, how How, digest []byte) error {
	if len(digest) != 0 && len(digest) != s.cfg.Digest.Size() {
		return fmt.Errorf("a digest of %d bytes, nobody has asked for that: %w", len(digest), ErrProtocol)
	}
	if s.cfg.Settler == nil || s.cfg.Dry {
		return nil
	}
	it.mu.Lock()
	if how == HowThere && it.same {
		how = HowCompared
	}
	it.mu.Unlock()
	s.mu.Lock()
	target, named := s.target, s.named
	s.mu.Unlock()
	s.cfg.Settler.Settled(it.e, Settlement{How: how, Path: settledPath(s.cfg.Source.Below(it.e), target, named), Digest: digest})
	return nil
}

// settledHere is settled on the side of a receiver that has asked.
func (r *receiver) settledHere(f *inFile, how How) {
	if r.fetch == nil || r.fetch.settler == nil {
		return
	}
	e := &localfs.Entry{Kind: localfs.KindFile, Name: f.name, Size: f.put.Size}
	r.fetch.settler.Settled(e, Settlement{How: how, Path: settledPath(f.parent.path(f.name), r.base.Path, r.base.Name != ""), Digest: f.digest})
}

// settledPath is where an entry of the source lies below the target, or how the target is
// called if the entry is it. named: the last name of the target is the entry's own.
func settledPath(below, target string, named bool) string {
	if !named {
		return below
	}
	if _, rest, in := strings.Cut(below, "/"); in {
		return rest
	}
	return target[strings.LastIndexByte(target, '/')+1:]
}

// asksMeta says whether the other side has to do what older ones don't know.
func (s *sender) asksMeta() bool {
	return s.cfg.SetUser != "" || s.cfg.SetGroup != "" || s.cfg.ACL || s.cfg.Digest != wire.SumNone || s.cfg.Touch
}
