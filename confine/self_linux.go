package confine

import (
	"os"

	"golang.org/x/sys/unix"
)

// self is this very program, whatever has become of its name since it was started.
const self = "/proc/self/exe"

// ourselves is a path of this very program: the one that gives the process its name, where
// that still leads to it, and who runs it may go there.
func ourselves() string {
	exe, err := os.Readlink(self)
	if err != nil || unix.Access(exe, unix.X_OK) != nil {
		return self
	}
	byName, err1 := os.Stat(exe)
	byLink, err2 := os.Stat(self)
	if err1 != nil || err2 != nil || !os.SameFile(byName, byLink) {
		return self
	}
	return exe
}

// socketPair makes two ends that no program which is started meanwhile gets a copy of.
func socketPair() ([2]int, error) {
	return unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
}
