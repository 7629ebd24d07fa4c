package wire

// ACE is an entry of a POSIX ACL.
type ACE struct {
	_    struct{} `cbor:",toarray"`
	Tag  uint8    // as in linux/posix_acl.h
	Perm uint8    // rwx
	ID   uint32   // of a named user or group
	Name string   // theirs on the source, empty if unknown
}

// Tags of an ACE, in the order in which an ACL has them.
const (
	aclUserObj  = 0x01
	aclUser     = 0x02
	aclGroupObj = 0x04
	aclGroup    = 0x08
	aclMask     = 0x10
	aclOther    = 0x20
)

// noID is the number of nobody.
const noID = 1<<32 - 1

// validACL says whether a list is an ACL, or empty: its entries in order, what there must be
// one of there once, and a mask where somebody is named.
func validACL(list []ACE) bool {
	if len(list) == 0 {
		return true
	}
	if len(list) > maxList {
		return false
	}
	var last, once uint8
	named := false
	for i := range list {
		a := &list[i]
		if a.Tag < last || a.Perm > 7 || !word(a.Name) {
			return false
		}
		last = a.Tag
		switch a.Tag {
		case aclUser, aclGroup:
			if a.ID == noID {
				return false
			}
			named = true
		case aclUserObj, aclGroupObj, aclMask, aclOther:
			if once&a.Tag != 0 || a.ID != 0 || a.Name != "" {
				return false
			}
			once |= a.Tag
		default:
			return false
		}
	}
	const must = aclUserObj | aclGroupObj | aclOther
	return once&must == must && (!named || once&aclMask != 0)
}
