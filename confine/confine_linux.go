package confine

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// leastABI has the right to rename between directories, which a copier needs.
const leastABI = 2

// To confines the process to paths, for good; its own program and libraries may be read
// and run. Of Write all must be there. Start the program anew then.
func To(p Paths) error {
	if abi, err := ll.LandlockGetABIVersion(); err != nil || abi < leastABI {
		return ErrNone
	}
	rules := []landlock.Rule{
		landlock.RODirs(p.Read...).IgnoreIfMissing(),
		landlock.ROFiles(program()...).IgnoreIfMissing(),
		landlock.RWDirs(p.Devices...).WithIoctlDev().IgnoreIfMissing(),
		landlock.RWDirs(p.Write...).WithRefer(),
	}
	if err := landlock.V5.BestEffort().RestrictPaths(rules...); err != nil {
		return fmt.Errorf("confine: %w", err)
	}
	return nil
}

// program lists the files of which the process is made, wherever its libraries lie.
func program() []string {
	files := []string{self}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return files // without /proc, then
	}
	for line := range strings.Lines(string(maps)) {
		// address perms offset dev inode pathname, proc_pid_maps(5)
		f := strings.Fields(line)
		if len(f) == 6 && strings.HasPrefix(f[5], "/") && !slices.Contains(files, f[5]) {
			files = append(files, f[5])
		}
	}
	return files
}
