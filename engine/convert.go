package engine

import (
	"strings"
	"time"

	"scp_rdma/localfs"
	"scp_rdma/transport"
	"scp_rdma/wire"
)

// youngFor: a file that was written so lately may be written again without its mtime
// showing it. The coarsest clock of a file system we know is FAT's, with 2 s.
const youngFor = 2 * time.Second

// toWire is the entry as it is announced.
func toWire(e *localfs.Entry, replaces uint64) wire.Entry {
	if e.Kind == localfs.KindDirEnd {
		return wire.Entry{ID: e.ID, Kind: wire.KindDirEnd}
	}
	w := wire.Entry{
		ID: e.ID, Parent: e.Parent, Kind: wire.Kind(e.Kind), Name: []byte(e.Name), Size: e.Size,
		Mode: e.Meta.Mode, MtimeSec: e.Meta.MtimeSec, MtimeNsec: e.Meta.MtimeNsec,
		Link: []byte(e.Link), Group: e.Group,
		UID: e.Meta.UID, GID: e.Meta.GID, User: validText(e.Meta.User), GroupName: validText(e.Meta.GroupName),
		Replaces: replaces, Stream: e.Stream, Young: e.Kind == localfs.KindFile && time.Since(e.Stamp.Mtime).Abs() < youngFor,
	}
	if e.Group != 0 && !e.GroupFirst {
		w.GroupPos |= wire.GroupMember
	}
	if e.GroupLast {
		w.GroupPos |= wire.GroupLast
	}
	for _, x := range e.Meta.Xattrs {
		w.Xattrs = append(w.Xattrs, wire.Xattr{Name: x.Name, Value: x.Value})
	}
	w.ACL, w.Default = aclToWire(e.Meta.ACL), aclToWire(e.Meta.DefaultACL)
	return w
}

func aclToWire(list []localfs.ACE) (out []wire.ACE) {
	for _, a := range list {
		out = append(out, wire.ACE{Tag: uint8(a.Tag), Perm: a.Perm, ID: a.ID, Name: validText(a.Name)})
	}
	return out
}

func aclOf(list []wire.ACE) (out []localfs.ACE) {
	for _, a := range list {
		out = append(out, localfs.ACE{Tag: localfs.ACLTag(a.Tag), Perm: a.Perm, ID: a.ID, Name: a.Name})
	}
	return out
}

// metaOf is what an announced entry says of its metadata.
func metaOf(w *wire.Entry) localfs.Meta {
	m := localfs.Meta{
		Mode: w.Mode, MtimeSec: w.MtimeSec, MtimeNsec: w.MtimeNsec,
		UID: w.UID, GID: w.GID, User: w.User, GroupName: w.GroupName,
	}
	for _, x := range w.Xattrs {
		m.Xattrs = append(m.Xattrs, localfs.Xattr{Name: x.Name, Value: x.Value})
	}
	m.ACL, m.DefaultACL = aclOf(w.ACL), aclOf(w.Default)
	return m
}

// entryOf is an announced entry, for people to see.
func entryOf(w *wire.Entry) *localfs.Entry {
	return &localfs.Entry{Kind: localfs.Kind(w.Kind), Name: string(w.Name), Size: w.Size, Link: string(w.Link), Meta: metaOf(w)}
}

// asBytes are names and rules as they travel: they need not be UTF-8.
func asBytes(list []string) [][]byte {
	var out [][]byte
	for _, s := range list {
		out = append(out, []byte(s))
	}
	return out
}

func railsToWire(name string, rails []transport.Rail) wire.RailSet {
	set := wire.RailSet{Transport: name}
	for _, r := range rails {
		set.Rails = append(set.Rails, wire.Rail{Name: r.Name, Info: r.Info})
	}
	return set
}

// railsOf finds what the peer has of one transport; nil if it has none.
func railsOf(sets []wire.RailSet, name string) []transport.Rail {
	for _, set := range sets {
		if set.Transport != name {
			continue
		}
		rails := make([]transport.Rail, len(set.Rails))
		for i, r := range set.Rails {
			rails[i] = transport.Rail{Name: r.Name, Info: r.Info}
		}
		return rails
	}
	return nil
}

func findRail(rails []transport.Rail, name string) (transport.Rail, bool) {
	for _, r := range rails {
		if r.Name == name {
			return r, true
		}
	}
	return transport.Rail{}, false
}

// validText makes s fit for a message: text there is UTF-8.
func validText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
