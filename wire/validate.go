package wire

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds on what a message may hold: a peer can't make this side keep more.
// MaxReport bounds what a server tells of itself, bytes.
const MaxReport = MaxMessage / 2

// MaxTroublePath bounds the path in a Trouble, bytes.
const MaxTroublePath = 2 * maxPath

const (
	maxList     = 1024     // entries, answers, results, ... in one batch; also the decoder's bound on any list
	maxSets     = 64       // transports in a Hello
	maxRails    = 64       // rails of one transport; no host has more ports
	maxRailInfo = 1024     // bytes, transport.MaxRailInfo
	maxOffer    = 1024     // bytes, transport.MaxOffer
	maxWord     = 128      // bytes of a name of a rail, transport, user, feature
	maxWords    = 128      // features, grants
	maxText     = 4096     // bytes of a text for people; it may quote a path
	maxPath     = 4096     // PATH_MAX of Linux
	maxName     = 255      // NAME_MAX
	maxXattrs   = 64 << 10 // bytes of all xattrs of an entry; the kernel's bound on one (XATTR_SIZE_MAX)
	maxProblems = 100      // the summary tells of so many
	maxBootID   = 64       // bytes; 36 on Linux
	maxAddrs    = 64       // addresses of a server; as many as rails
	sizeKeyID   = 8        // bytes of keys.ID
	sizeSession = 16
	sizeSource  = 32 // bytes of a SHA-256
	sizeProof   = 32 // bytes of an HMAC-SHA256
)

// check is one rule of a message: what is wrong if bad.
type check struct {
	bad  bool
	what string
}

func first(checks ...check) error {
	for _, c := range checks {
		if c.bad {
			return errors.New(c.what)
		}
	}
	return nil
}

// word says whether s is a short text.
func word(s string) bool { return len(s) <= maxWord && utf8.ValidString(s) }

// text says whether s is a text for people.
func text(s string) bool { return len(s) <= maxText && utf8.ValidString(s) }

// all says whether each of at most n texts is ok.
func all(list []string, n int, ok func(string) bool) bool {
	return len(list) <= n && !slices.ContainsFunc(list, func(s string) bool { return !ok(s) })
}

// validate checks every field of a message against its bounds.
func validate(m Message) error {
	switch m := m.(type) {
	case *Hello:
		return m.validate()
	case *Bye:
		return first(check{!text(m.Text), "text too long or not UTF-8"})
	case *Open:
		return m.validate()
	case *Opened:
		return first(
			check{len(m.Target) > 2*maxPath, "target too long"},
			check{!all(m.Grants, maxWords, word), "too many or too long grants"},
		)
	case *StreamOpen:
		return first(
			check{!word(m.Transport) || !word(m.Local) || !word(m.Peer), "name too long or not UTF-8"},
			check{len(m.Offer) > maxOffer, "offer too long"},
		)
	case *Fetch:
		return m.validate()
	case *RailHealth:
		return m.validate()
	case *Trouble:
		return first(
			check{m.Kind > TroubleOutside, "unknown kind of trouble"},
			check{len(m.Path) > MaxTroublePath || !text(m.Text), "path or text too long, or not UTF-8"},
		)
	case *StreamJoin:
		return first(check{len(m.Offer) > maxOffer, "offer too long"}, check{!text(m.Error), "text too long or not UTF-8"})
	case *StreamReady:
		return first(check{len(m.Offer) > maxOffer, "offer too long"}, check{!text(m.Error), "text too long or not UTF-8"})
	case *Entries:
		return m.validate()
	case *Answers:
		return m.validate()
	case *Results:
		return m.validate()
	case *Auth:
		return first(
			check{len(m.KeyID) != 0 && len(m.KeyID) != sizeKeyID, "key id is not 8 bytes"},
			check{len(m.Proof) != 0 && len(m.Proof) != sizeProof, "proof is not 32 bytes"},
			check{(len(m.KeyID) == 0) != (len(m.Proof) == 0), "key id and proof belong together"},
		)
	case *Authed:
		return first(check{len(m.Proof) != 0 && len(m.Proof) != sizeProof, "proof is not 32 bytes"})
	case *Inspected:
		return first(check{len(m.Report) > MaxReport, "report too long"})
	case *Done:
		return first(check{m.Spent.tooLong(), "more time spent than there is"})
	case *Summary:
		return first(
			check{!all(m.Problems, maxProblems, text), "too many or too long problems"},
			check{m.Spent.tooLong(), "more time spent than there is"},
		)
	}
	return nil
}

func (m *Hello) validate() error {
	err := first(
		check{len(m.Session) != 0 && len(m.Session) != sizeSession, "session id is not 16 bytes"},
		check{!all(m.Addrs, maxAddrs, word), "too many or too long addresses"},
		check{!word(m.Software), "name of the software too long or not UTF-8"},
		check{!all(m.Features, maxWords, word), "too many or too long features"},
		check{len(m.Rails) > maxSets, "too many transports"},
	)
	for i := 0; err == nil && i < len(m.Rails); i++ {
		err = m.Rails[i].validate()
	}
	return err
}

func (m *Open) validate() error {
	return first(
		check{len(m.Path) > maxPath || bytes.IndexByte(m.Path, 0) >= 0, "path too long or with a NUL"},
		check{len(m.BootID) > maxBootID, "boot id too long"},
		check{len(m.Dirs) > maxList, "too many source directories"},
		check{len(m.Source) != 0 && len(m.Source) != sizeSource, "identity of the source is not 32 bytes"},
		check{len(m.Continues) != 0 && len(m.Continues) != sizeSession, "session id is not 16 bytes"},
		check{!validFilter(m.Filter), "too many or too long filter rules"},
		check{m.MaxDelete < 0, "limit of what is deleted does not fit"},
		check{m.Choose > ChooseOlder|ChooseThere|ChooseMissing, "choice does not fit"},
		check{len(m.Backup) > maxName || bytes.IndexByte(m.Backup, '/') >= 0 || bytes.IndexByte(m.Backup, 0) >= 0, "backup suffix is no part of a name"},
		check{!word(m.SetUser) || !word(m.SetGroup), "name of an owner too long or not UTF-8"},
		check{m.Digest > SumSHA256, "unknown digest"},
		check{m.Compare > CompareNever || m.Window < 0, "way to compare does not fit"},
	)
}

func (m *Fetch) validate() error {
	err := first(
		check{len(m.Paths) < 1 || len(m.Paths) > maxList, "no paths, or too many"},
		check{slices.ContainsFunc(m.Paths, func(p []byte) bool { return len(p) > maxPath || bytes.IndexByte(p, 0) >= 0 }), "path too long or with a NUL"},
		check{len(m.Ways) > maxSets, "too many transports"},
		check{!validFilter(m.Filter), "too many or too long filter rules"},
	)
	for i := 0; err == nil && i < len(m.Ways); i++ {
		w := &m.Ways[i]
		err = first(
			check{!word(w.Transport), "name of a transport too long or not UTF-8"},
			check{len(w.Pairs) < 1 || len(w.Pairs) > maxList, "no pairs of rails, or too many"},
			check{slices.ContainsFunc(w.Pairs, func(p RailPair) bool { return !word(p.Client) || !word(p.Server) }), "name of a rail too long or not UTF-8"},
		)
	}
	return err
}

func validFilter(rules [][]byte) bool {
	return len(rules) <= maxList && !slices.ContainsFunc(rules, func(r []byte) bool { return len(r) > maxPath })
}

func (s *RailSet) validate() error {
	err := first(
		check{!word(s.Transport), "name of a transport too long or not UTF-8"},
		check{len(s.Rails) > maxRails, "too many rails"},
	)
	for i := 0; err == nil && i < len(s.Rails); i++ {
		r := &s.Rails[i]
		err = first(check{!word(r.Name), "name of a rail too long or not UTF-8"}, check{len(r.Info) > maxRailInfo, "rail too long"})
	}
	return err
}

func (m *Entries) validate() error {
	for i := range m.List {
		if err := m.List[i].Validate(); err != nil {
			return fmt.Errorf("entry %d: %w", m.List[i].ID, err)
		}
	}
	return nil
}

// Validate checks an entry's fields against their bounds and its kind. Who
// announces entries may ask first, so that an odd one fails and not the session.
func (e *Entry) Validate() error {
	if e.Kind == KindDirEnd {
		rest := Entry{ID: e.ID, Kind: e.Kind}
		return first(check{e.ID == 0 || !e.equalPlain(&rest), "the end of a directory has an id and nothing else"})
	}
	if err := e.validateKind(); err != nil {
		return err
	}
	return first(
		check{e.ID == 0, "entry without id"},
		check{e.Parent == e.ID, "its own parent"},
		check{!ValidName(e.Name), "name is not one path component"},
		check{e.Mode > 0o7777, "mode does not fit"},
		check{e.MtimeNsec > 999_999_999, "nanoseconds do not fit"},
		check{e.GroupPos > GroupMember|GroupLast || e.GroupPos != 0 && e.Group == 0, "place in a group does not fit"},
		check{!word(e.User) || !word(e.GroupName), "name of an owner too long or not UTF-8"},
		check{!e.validXattrs(), "xattrs too many, too large or without a good name"},
		check{!validACL(e.ACL) || !validACL(e.Default), "no ACL"},
	)
}

// validateKind checks the fields that only some kinds have.
func (e *Entry) validateKind() error {
	return first(
		check{e.Kind < KindFile || e.Kind > KindSymlink, "unknown kind"},
		check{e.Size < 0 || e.Size != 0 && e.Kind != KindFile, "size does not fit"},
		check{(e.Kind == KindSymlink) != (len(e.Link) > 0), "link text does not fit the kind"},
		check{len(e.Link) >= maxPath || bytes.IndexByte(e.Link, 0) >= 0, "link text too long or with a NUL"},
		check{e.Kind == KindSymlink && len(e.ACL) > 0 || e.Kind != KindDir && len(e.Default) > 0, "an ACL does not fit the kind"},
		check{e.Kind != KindFile && (e.Group != 0 || e.Replaces != 0), "only files have groups and second tries"},
		check{e.Replaces != 0 && e.Replaces == e.ID, "it replaces itself"},
		check{e.Stream && (e.Kind != KindFile || e.Size != 0 || e.Group != 0 || e.Replaces != 0), "a stream is a file of no known size, alone, and comes once"},
	)
}

func (e *Entry) validXattrs() bool {
	total := 0
	for i := range e.Xattrs {
		x := &e.Xattrs[i]
		if len(x.Name) < 1 || len(x.Name) > maxName || strings.IndexByte(x.Name, 0) >= 0 {
			return false
		}
		total += len(x.Name) + len(x.Value)
	}
	return len(e.Xattrs) <= maxList && total <= maxXattrs
}

// equalPlain compares two entries without lists.
func (e *Entry) equalPlain(o *Entry) bool {
	return e.ID == o.ID && e.Parent == o.Parent && e.Kind == o.Kind && len(e.Name) == 0 && e.Size == o.Size &&
		e.Mode == o.Mode && e.MtimeSec == o.MtimeSec && e.MtimeNsec == o.MtimeNsec && len(e.Link) == 0 &&
		e.Group == o.Group && e.GroupPos == o.GroupPos && e.UID == o.UID && e.GID == o.GID &&
		e.User == o.User && e.GroupName == o.GroupName && len(e.Xattrs) == 0 && e.Replaces == o.Replaces &&
		e.Young == o.Young && e.Stream == o.Stream && len(e.ACL)+len(e.Default) == 0
}

// ValidName says whether name is one path component: 1 to 255 bytes, no slash,
// no NUL, not "." nor "..".
func ValidName(name []byte) bool {
	return len(name) >= 1 && len(name) <= maxName && bytes.IndexByte(name, '/') < 0 && bytes.IndexByte(name, 0) < 0 &&
		!bytes.Equal(name, []byte(".")) && !bytes.Equal(name, []byte(".."))
}

func (m *Answers) validate() error {
	for _, a := range m.List {
		if a.Action < ActionNeed || a.Action > ActionCompare || !text(a.Text) {
			return fmt.Errorf("answer %d to entry %d", a.Action, a.ID)
		}
		if (a.Action == ActionCompare) != (len(a.Sum) == DigestSize) || len(a.Sum)%DigestSize != 0 {
			return fmt.Errorf("digest of %d bytes for entry %d", len(a.Sum), a.ID)
		}
		if len(a.Digest) > 0 && (!validDigest(a.Digest) || a.Action != ActionSkip && a.Action != ActionDone) {
			return fmt.Errorf("digest of entry %d with action %d", a.ID, a.Action)
		}
		if len(a.Have) > 0 && a.Action != ActionNeed || !validRanges(a.Have) {
			return fmt.Errorf("ranges of entry %d", a.ID)
		}
	}
	return nil
}

// validRanges says whether ranges are in order, disjoint and not empty.
func validRanges(list []Range) bool {
	if len(list) > MaxHave {
		return false
	}
	at := int64(-1)
	for _, r := range list {
		if r.From <= at || r.From < 0 || r.To <= r.From {
			return false
		}
		at = r.To
	}
	return true
}

func (m *Results) validate() error {
	for _, r := range m.List {
		if r.Status < StatusOK || r.Status > StatusUnverified || !text(r.Text) {
			return fmt.Errorf("status %d of entry %d", r.Status, r.ID)
		}
		if len(r.Digest) > 0 && (!validDigest(r.Digest) || r.Status != StatusOK) {
			return fmt.Errorf("digest of entry %d with status %d", r.ID, r.Status)
		}
	}
	return nil
}
