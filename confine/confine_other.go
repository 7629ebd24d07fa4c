//go:build !linux

package confine

import (
	"errors"
	"fmt"
)

// To confines nothing: ErrNone.
func To(Paths) error { return ErrNone }

// CanBecome says that no process can become one of another user.
const CanBecome = false

// Become fails.
func (u *User) Become() error {
	return fmt.Errorf("become %s: start the server as that user: %w", u.Name, errors.ErrUnsupported)
}
