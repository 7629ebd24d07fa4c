package confine

import (
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"syscall"
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

// Become makes the process one of the user, with the user's groups, for good. Only root can.
func (u *User) Become() error {
	// Groups first: who is no longer root can't give them up. Each of these is for all
	// threads (Go 1.16).
	if err := syscall.Setgroups(u.groups); err != nil {
		return fmt.Errorf("become %s: set groups: %w", u.Name, err)
	}
	if err := syscall.Setresgid(u.GID, u.GID, u.GID); err != nil {
		return fmt.Errorf("become %s: set group: %w", u.Name, err)
	}
	if err := syscall.Setresuid(u.UID, u.UID, u.UID); err != nil {
		return fmt.Errorf("become %s: set user: %w", u.Name, err)
	}
	if u.UID != 0 && syscall.Setuid(0) == nil {
		return fmt.Errorf("become %s: %w", u.Name, errStillRoot)
	}
	return nil
}

var errStillRoot = errors.New("it could become root again")
