package confine

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
)

// User is who a process may become.
type User struct {
	Name, Home string
	UID, GID   int
	groups     []int
}

// LookupUser finds a user by name or number.
func LookupUser(name string) (*User, error) {
	u, err := user.Lookup(name)
	if err != nil {
		var byID error
		if u, byID = user.LookupId(name); byID != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
	}
	uid, errUID := strconv.Atoi(u.Uid)
	gid, errGID := strconv.Atoi(u.Gid)
	ids, err := u.GroupIds()
	if err := errors.Join(errUID, errGID, err); err != nil {
		return nil, fmt.Errorf("user %s: %w", name, err)
	}
	to := &User{Name: u.Username, Home: u.HomeDir, UID: uid, GID: gid}
	for _, id := range ids {
		n, err := strconv.Atoi(id)
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		to.groups = append(to.groups, n)
	}
	return to, nil
}
