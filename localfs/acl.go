package localfs

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ACE is an entry of a POSIX ACL (acl(5)).
type ACE struct {
	Tag  ACLTag
	Perm uint8  // rwx
	ID   uint32 // of a named user or group
	Name string // theirs on the source, "" if unknown
}

// ACLTag says whom an ACE is for. The numbers are the kernel's (linux/posix_acl_xattr.h), in
// the order in which an ACL has them.
type ACLTag uint8

// The tags.
const (
	ACLUserObj  ACLTag = 0x01
	ACLUser     ACLTag = 0x02
	ACLGroupObj ACLTag = 0x04
	ACLGroup    ACLTag = 0x08
	ACLMask     ACLTag = 0x10
	ACLOther    ACLTag = 0x20
)

const (
	aclVersion = 2 // of the kernel's layout: u32 version, then u16 tag, u16 permissions, u32 id; little endian
	aclHead    = 4
	aclEntry   = 8
	aclNoID    = 1<<32 - 1

	// maxACEs bounds an ACL: what a message carries. ext4 has room for some 500 in a block.
	maxACEs = 1024
)

var errACL = errors.New("no ACL")

// parseACL reads an ACL as the kernel gives it.
func parseACL(b []byte) ([]ACE, error) {
	switch n := len(b) - aclHead; {
	case n < 0 || n%aclEntry != 0:
		return nil, fmt.Errorf("%d bytes: %w", len(b), errACL)
	case n/aclEntry > maxACEs:
		return nil, fmt.Errorf("more than %d entries: %w", maxACEs, errACL)
	case le(b[:aclHead]) != aclVersion:
		return nil, fmt.Errorf("version %d: %w", le(b[:aclHead]), errACL)
	}
	list := make([]ACE, 0, len(b)/aclEntry)
	for e := range slices.Chunk(b[aclHead:], aclEntry) {
		tag, perm := le(e[:2]), le(e[2:4])
		if tag > uint32(ACLOther) || perm > 7 {
			return nil, fmt.Errorf("tag %#x, permissions %#o: %w", tag, perm, errACL)
		}
		a := ACE{Tag: ACLTag(tag), Perm: uint8(perm)}
		if a.named() {
			a.ID = le(e[4:])
		}
		list = append(list, a)
	}
	return list, checkACL(list)
}

// formatACL is an ACL as the kernel takes it.
func formatACL(list []ACE) []byte {
	b := appendLE(make([]byte, 0, aclHead+aclEntry*len(list)), aclVersion, 4)
	for _, a := range list {
		id := uint32(aclNoID)
		if a.named() {
			id = a.ID
		}
		b = appendLE(appendLE(appendLE(b, uint32(a.Tag), 2), uint32(a.Perm), 2), id, 4)
	}
	return b
}

func le(b []byte) (n uint32) {
	for i := range b {
		n |= uint32(b[i]) << (8 * i)
	}
	return n
}

func appendLE(b []byte, n uint32, size int) []byte {
	for i := range size {
		b = append(b, byte(n>>(8*i)))
	}
	return b
}

// named says whether the entry is for a user or group by name.
func (a *ACE) named() bool { return a.Tag == ACLUser || a.Tag == ACLGroup }

// checkACL says whether a list is an ACL: its entries in order, what there must be one of
// there once, and a mask where somebody is named.
func checkACL(list []ACE) error {
	var last ACLTag
	names, mask := false, false
	count := map[ACLTag]int{}
	for i := range list {
		a := &list[i]
		if a.Tag < last || a.Perm > 7 || a.named() && a.ID == aclNoID {
			return fmt.Errorf("entry %d: %w", i, errACL)
		}
		last = a.Tag
		names, mask = names || a.named(), mask || a.Tag == ACLMask
		count[a.Tag]++
	}
	for tag, n := range count {
		switch tag {
		case ACLUser, ACLGroup:
			continue
		case ACLUserObj, ACLGroupObj, ACLMask, ACLOther:
			if n == 1 {
				continue
			}
		}
		return fmt.Errorf("%d entries with tag %#x: %w", n, tag, errACL)
	}
	if count[ACLUserObj]*count[ACLGroupObj]*count[ACLOther] != 1 || names && !mask {
		return fmt.Errorf("an entry is missing: %w", errACL)
	}
	return nil
}

// ownACL is an ACL with this host's numbers for those that it names, in their order. Two
// that are one here have what both had.
func (s *Sink) ownACL(list []ACE) []ACE {
	own := slices.Clone(list)
	for i := range own {
		a := &own[i]
		if s.o.NumericIDs || !a.named() {
			continue
		}
		look := s.ids.uid
		if a.Tag == ACLGroup {
			look = s.ids.gid
		}
		a.ID = uint32(look(a.Name, a.ID))
	}
	slices.SortStableFunc(own, func(a, b ACE) int { return cmp.Or(cmp.Compare(a.Tag, b.Tag), cmp.Compare(a.ID, b.ID)) })
	out := own[:0]
	for _, a := range own {
		if n := len(out); n > 0 && a.named() && out[n-1].Tag == a.Tag && out[n-1].ID == a.ID {
			out[n-1].Perm &= a.Perm
			continue
		}
		out = append(out, a)
	}
	return out
}

// underMode gives an access ACL the bits of a mode, as chmod(2) would: the mode may have been
// changed on the way, and counts.
func underMode(list []ACE, mode uint32) []ACE {
	masked := slices.ContainsFunc(list, func(a ACE) bool { return a.Tag == ACLMask })
	for i := range list {
		switch a := &list[i]; {
		case a.Tag == ACLUserObj:
			a.Perm = uint8(mode >> 6 & 7)
		case a.Tag == ACLMask, a.Tag == ACLGroupObj && !masked:
			a.Perm = uint8(mode >> 3 & 7)
		case a.Tag == ACLOther:
			a.Perm = uint8(mode & 7)
		}
	}
	return list
}

// withoutACL is the mode of a file whose ACL is not kept. In the place of its group's
// permissions a mode with an ACL has the mask, which may be more.
func withoutACL(mode uint32, list []ACE) uint32 {
	for _, a := range list {
		if a.Tag == ACLGroupObj {
			mode &= ^uint32(0o070) | uint32(a.Perm)<<3
		}
	}
	return mode
}
