package wire

import (
	"encoding/hex"
	"slices"
	"testing"
)

// acl is one with each tag.
func acl() []ACE {
	return []ACE{
		{Tag: aclUserObj, Perm: 7}, {Tag: aclUser, Perm: 6, ID: 5, Name: "u"}, {Tag: aclGroupObj, Perm: 5},
		{Tag: aclGroup, Perm: 4, ID: 6}, {Tag: aclMask, Perm: 3}, {Tag: aclOther},
	}
}

func TestACLRefuses(t *testing.T) {
	if !validACL(acl()) || !validACL(nil) {
		t.Error("a good one is refused")
	}
	for name, change := range map[string]func([]ACE) []ACE{
		"no owner":           func(l []ACE) []ACE { return l[1:] },
		"nobody else":        func(l []ACE) []ACE { return l[:5] },
		"no mask":            func(l []ACE) []ACE { return slices.Delete(l, 4, 5) },
		"two masks":          func(l []ACE) []ACE { return slices.Insert(l, 4, l[4]) },
		"out of order":       func(l []ACE) []ACE { l[1], l[2] = l[2], l[1]; return l },
		"an unknown tag":     func(l []ACE) []ACE { l[1].Tag = 3; return l },
		"a large tag":        func(l []ACE) []ACE { l[5].Tag = 0x40; return l },
		"permission 8":       func(l []ACE) []ACE { l[1].Perm = 8; return l },
		"nobody by name":     func(l []ACE) []ACE { l[1].ID = noID; return l },
		"an owner by number": func(l []ACE) []ACE { l[0].ID = 1; return l },
		"a group by name":    func(l []ACE) []ACE { l[2].Name = "g"; return l },
		"a name in no UTF-8": func(l []ACE) []ACE { l[1].Name = "\xff"; return l },
		"1025 entries": func(l []ACE) []ACE {
			return slices.Concat(l[:1], slices.Repeat(l[1:2], maxList), l[2:])
		},
	} {
		refused(t, name, &Entries{List: []Entry{{ID: 1, Kind: KindDir, Name: []byte("d"), ACL: change(acl())}}})
		refused(t, name, &Entries{List: []Entry{{ID: 1, Kind: KindDir, Name: []byte("d"), Default: change(acl())}}})
	}
	refused(t, "a file with a default", &Entries{List: []Entry{{ID: 1, Kind: KindFile, Name: []byte("f"), Default: acl()}}})
	refused(t, "a link with one", &Entries{List: []Entry{{ID: 1, Kind: KindSymlink, Name: []byte("l"), Link: []byte("x"), ACL: acl()}}})
	refused(t, "an end with one", &Entries{List: []Entry{{ID: 1, Kind: KindDirEnd, ACL: acl()}}})
}

// The digests of nothing, as xxh128sum and sha256sum print them.
func TestSums(t *testing.T) {
	for kind, want := range map[SumKind]string{
		SumXXH128: "99aa06d3014798d86001c324468d497f",
		SumSHA256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	} {
		h := kind.New()
		if got := hex.EncodeToString(h.Sum(nil)); got != want || h.Size() != kind.Size() || len(want) != 2*kind.Size() {
			t.Errorf("digest %d: %s", kind, got)
		}
	}
	if SumNone.New() != nil || SumNone.Size() != 0 {
		t.Error("none is one")
	}
}
