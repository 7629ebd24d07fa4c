package localfs

import (
	"fmt"
	"os/user"
	"strconv"
	"strings"
)

// Chown is the owner and the group that everything gets, in place of those it has: a name, or
// a number. "": not this one.
type Chown struct {
	User, Group string
	Granted     bool // else each entry counts as dropped
}

func (c Chown) any() bool { return c.User != "" || c.Group != "" }

// owners are numbers that all entries of a sink get; -1: not this one.
type owners struct{ uid, gid int }

// look finds the numbers. A name that this host does not know Is ErrUsage.
func (c Chown) look() (owners, error) {
	o := owners{-1, -1}
	if !c.Granted {
		return o, nil
	}
	for _, w := range []struct {
		word, what string
		to         *int
		find       func(string) (string, error)
	}{
		{c.User, "user", &o.uid, func(name string) (string, error) {
			u, err := user.Lookup(name)
			if err != nil {
				return "", err
			}
			return u.Uid, nil
		}},
		{c.Group, "group", &o.gid, func(name string) (string, error) {
			g, err := user.LookupGroup(name)
			if err != nil {
				return "", err
			}
			return g.Gid, nil
		}},
	} {
		text := w.word
		if text != "" && strings.Trim(text, "0123456789") != "" {
			var err error
			if text, err = w.find(text); err != nil {
				return o, fmt.Errorf("the receiving host has no %s %s: %w", w.what, w.word, ErrUsage)
			}
		}
		if text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 32)
		if err != nil || n == 1<<32-1 { // which chown(2) takes for "leave it"
			return o, usagef("%s is the number of no %s", w.word, w.what)
		}
		*w.to = int(n)
	}
	return o, nil
}

// chown gives an entry its owner and group, by call, and says whether they are the ones
// asked for, or none were.
func (s *Sink) chown(m *Meta, call func(uid, gid int) error) bool {
	to := s.to
	lost := s.o.Chown.any() && !s.o.Chown.Granted
	switch {
	case s.o.Owner:
		uid, gid := int(m.UID), int(m.GID)
		if !s.o.NumericIDs {
			uid, gid = s.ids.uid(m.User, m.UID), s.ids.gid(m.GroupName, m.GID)
		}
		if to.uid < 0 {
			to.uid = uid
		}
		if to.gid < 0 {
			to.gid = gid
		}
	case m.User != "" || m.GroupName != "" || m.UID != 0 || m.GID != 0:
		lost = true // a source that was not asked for owners names none
	}
	if lost {
		s.dropped.owner.Add(1)
	}
	if to.uid < 0 && to.gid < 0 || eintr(func() error { return call(to.uid, to.gid) }) == nil {
		return true
	}
	// One of several groups may be given to a file without any privilege; that
	// much is kept then.
	if to.gid >= 0 {
		_ = eintr(func() error { return call(-1, to.gid) })
	}
	s.dropped.owner.Add(1)
	return false
}
