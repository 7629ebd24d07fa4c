package localfs

import (
	"os/user"
	"strconv"
	"sync"
)

// maxIDs bounds each of the tables below: names come from a peer. A table that
// is full is emptied; every host has far fewer users.
const maxIDs = 4096

// idNames looks up users and groups, each once.
type idNames struct {
	mu     sync.Mutex
	users  map[uint32]string
	groups map[uint32]string
	uids   map[string]int64
	gids   map[string]int64
}

func newIDNames() *idNames {
	return &idNames{
		users: map[uint32]string{}, groups: map[uint32]string{},
		uids: map[string]int64{}, gids: map[string]int64{},
	}
}

// once answers from the table, or from look and then from the table.
func once[K comparable, V any](n *idNames, table map[K]V, key K, look func() V) V {
	n.mu.Lock()
	defer n.mu.Unlock()
	if v, ok := table[key]; ok {
		return v
	}
	if len(table) >= maxIDs {
		clear(table)
	}
	v := look()
	table[key] = v
	return v
}

// user is the name of a uid, "" if it has none.
func (n *idNames) user(uid uint32) string {
	return once(n, n.users, uid, func() string {
		u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
		if err != nil {
			return ""
		}
		return u.Username
	})
}

// group is the name of a gid, "" if it has none.
func (n *idNames) group(gid uint32) string {
	return once(n, n.groups, gid, func() string {
		g, err := user.LookupGroupId(strconv.FormatUint(uint64(gid), 10))
		if err != nil {
			return ""
		}
		return g.Name
	})
}

// uid is the number of a user's name here, or the given one if there is no such user.
func (n *idNames) uid(name string, number uint32) int {
	if name == "" {
		return int(number)
	}
	id := once(n, n.uids, name, func() int64 {
		u, err := user.Lookup(name)
		if err != nil {
			return -1
		}
		return parseID(u.Uid)
	})
	return orNumber(id, number)
}

// gid is the number of a group's name here, or the given one if there is no such group.
func (n *idNames) gid(name string, number uint32) int {
	if name == "" {
		return int(number)
	}
	id := once(n, n.gids, name, func() int64 {
		g, err := user.LookupGroup(name)
		if err != nil {
			return -1
		}
		return parseID(g.Gid)
	})
	return orNumber(id, number)
}

func parseID(text string) int64 {
	id, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return -1
	}
	return int64(id)
}

func orNumber(id int64, number uint32) int {
	if id < 0 {
		return int(number)
	}
	return int(id)
}
