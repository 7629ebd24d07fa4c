package confine

import "errors"

// Paths is what a process may still use, with all that is below.
type Paths struct {
	Write   []string // read, write, make, rename, remove
	Read    []string // read and run
	Devices []string // read, write, control
}

// ErrNone: this kernel has no Landlock that serves, before Linux 5.19, or where it is off.
var ErrNone = errors.New("this kernel has no Landlock")
