package wire

import (
	"bytes"
	"errors"
	"fmt"
)

// Bounds on what a message may hold. A parser refuses more.
const (
	maxList     = 1024     // entries, answers, results, ... in one batch
	maxSets     = 16       // transports in a Hello
	maxRails    = 64       // rails of one transport
	maxRailInfo = 1024     // bytes, transport.MaxRailInfo
	maxOffer    = 1024     // bytes, transport.MaxOffer
	maxWord     = 128      // a name of a rail, transport, user, feature
	maxText     = 4096     // a text for people
	maxPath     = 4096     // PATH_MAX of Linux
	maxName     = 255      // NAME_MAX
	maxXattrs   = 64 << 10 // bytes of all xattrs of an entry, XATTR_SIZE_MAX of one
	maxXattr    = 128      // xattrs of an entry
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

// validate checks every field of a message against its bounds.
func validate(m Message) error {
	switch m := m.(type) {
	case *Hello:
		return m.validate()
	case *Bye:
		return first(check{len(m.Text) > maxText, "text too long"})
	case *Open:
		return first(
			check{len(m.Path) > maxPath || bytes.IndexByte(m.Path, 0) >= 0, "path too long or with a NUL"},
			check{len(m.BootID) > 64, "boot id too long"},
		)
	case *Opened:
		return first(check{len(m.Target) > 2*maxPath, "target too long"}, check{len(m.Grants) > maxWord, "too many grants"})
	case *StreamOpen:
		return first(
			check{len(m.Transport) > maxWord || len(m.Local) > maxWord || len(m.Peer) > maxWord, "name too long"},
			check{len(m.Offer) > maxOffer, "offer too long"},
		)
	case *StreamReady:
		return first(check{len(m.Offer) > maxOffer, "offer too long"}, check{len(m.Error) > maxText, "text too long"})
	case *Entries:
		return m.validate()
	case *Answers:
		return m.validate()
	case *Results:
		return m.validate()
	case *Summary:
		for _, p := range m.Problems {
			if len(p) > maxText {
				return errors.New("text too long")
			}
		}
	}
	return nil
}

func (m *Hello) validate() error {
	err := first(
		check{len(m.Session) != 0 && len(m.Session) != 16, "session id is not 16 bytes"},
		check{len(m.Key) != 0 && len(m.Key) != 32, "key is not 32 bytes"},
		check{len(m.Software) > maxWord || len(m.Features) > maxWord, "too long"},
		check{len(m.Rails) > maxSets, "too many transports"},
	)
	for _, set := range m.Rails {
		err = errors.Join(err, first(
			check{len(set.Transport) > maxWord, "name of a transport too long"},
			check{len(set.Rails) > maxRails, "too many rails"},
		))
		for _, r := range set.Rails {
			err = errors.Join(err, first(check{len(r.Name) > maxWord || len(r.Info) > maxRailInfo, "rail too long"}))
		}
	}
	return err
}

func (m *Entries) validate() error {
	for i := range m.List {
		if err := m.List[i].validate(); err != nil {
			return fmt.Errorf("entry %d: %w", m.List[i].ID, err)
		}
	}
	return nil
}

func (e *Entry) validate() error {
	if e.Kind == KindDirEnd {
		rest := Entry{ID: e.ID, Kind: e.Kind}
		return first(check{!e.equalPlain(&rest), "the end of a directory has more than its id"})
	}
	xattrs := 0
	for _, x := range e.Xattrs {
		xattrs += len(x.Name) + len(x.Value)
	}
	return first(
		check{e.Kind < KindFile || e.Kind > KindSymlink, "unknown kind"},
		check{e.ID == 0, "entry without id"},
		check{!ValidName(e.Name), "name is not one path component"},
		check{e.Size < 0 || e.Size != 0 && e.Kind != KindFile, "size does not fit"},
		check{e.Mode > 0o7777, "mode does not fit"},
		check{e.MtimeNsec > 999_999_999, "nanoseconds do not fit"},
		check{(e.Kind == KindSymlink) != (len(e.Link) > 0), "link text does not fit the kind"},
		check{len(e.Link) >= maxPath || bytes.IndexByte(e.Link, 0) >= 0, "link text too long or with a NUL"},
		check{e.Kind != KindFile && (e.Group != 0 || e.Replaces != 0), "only files have groups and second tries"},
		check{e.GroupPos > GroupMember|GroupLast || e.GroupPos != 0 && e.Group == 0, "place in a group does not fit"},
		check{len(e.User) > maxWord || len(e.GroupName) > maxWord, "name of an owner too long"},
		check{len(e.Xattrs) > maxXattr || xattrs > maxXattrs, "too many xattrs"},
		check{e.Parent == e.ID, "its own parent"},
	)
}

// equalPlain compares two entries without lists.
func (e *Entry) equalPlain(o *Entry) bool {
	return e.ID == o.ID && e.Parent == o.Parent && e.Kind == o.Kind && len(e.Name) == 0 && e.Size == o.Size &&
		e.Mode == o.Mode && e.MtimeSec == o.MtimeSec && e.MtimeNsec == o.MtimeNsec && len(e.Link) == 0 &&
		e.Group == o.Group && e.GroupPos == o.GroupPos && e.UID == o.UID && e.GID == o.GID &&
		e.User == o.User && e.GroupName == o.GroupName && len(e.Xattrs) == 0 && e.Replaces == o.Replaces
}

// ValidName says whether name is one path component: 1 to 255 bytes, no slash,
// no NUL, not "." nor "..".
func ValidName(name []byte) bool {
	return len(name) >= 1 && len(name) <= maxName && bytes.IndexByte(name, '/') < 0 && bytes.IndexByte(name, 0) < 0 &&
		!bytes.Equal(name, []byte(".")) && !bytes.Equal(name, []byte(".."))
}

func (m *Answers) validate() error {
	for _, a := range m.List {
		if a.Action < ActionNeed || a.Action > ActionParent || len(a.Text) > maxText {
			return fmt.Errorf("answer %d to entry %d", a.Action, a.ID)
		}
	}
	return nil
}

func (m *Results) validate() error {
	for _, r := range m.List {
		if r.Status < StatusOK || r.Status > StatusAborted || len(r.Text) > maxText {
			return fmt.Errorf("status %d of entry %d", r.Status, r.ID)
		}
	}
	return nil
}
