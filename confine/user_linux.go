package confine

import (
	"errors"
	"fmt"
	"syscall"
)

// CanBecome says that a process can become one of another user.
const CanBecome = true

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
