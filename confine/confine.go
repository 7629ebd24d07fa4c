package confine

import (
	"errors"
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// Paths is what a process may still use, with all that is below.
type Paths struct {
	Write   []string // read, write, make, rename, remove
	Read    []string // read and run
	Devices []string // read, write, control
}

// ErrNone: this kernel has no Landlock that serves, before Linux 5.19, or where it is off.
var ErrNone = errors.New("this kernel has no Landlock")

// leastABI has the right to rename between directories, which a copier needs.
const leastABI = 2

// To confines the process to paths, for good. Of Write all must be there.
func To(p Paths) error {
	if abi, err := ll.LandlockGetABIVersion(); err != nil || abi < leastABI {
		return ErrNone
	}
	rules := []landlock.Rule{
		landlock.RODirs(p.Read...).IgnoreIfMissing(),
		landlock.RWDirs(p.Devices...).WithIoctlDev().IgnoreIfMissing(),
		landlock.RWDirs(p.Write...).WithRefer(),
	}
	if err := landlock.V5.BestEffort().RestrictPaths(rules...); err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	return nil
}
