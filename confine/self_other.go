//go:build !linux

package confine

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// ourselves is a path of this program, as it was started.
func ourselves() string {
	exe, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return exe
}

// socketPair makes two ends that no program which is started meanwhile gets a copy of.
func socketPair() ([2]int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(pair[0])
		unix.CloseOnExec(pair[1])
	}
	return pair, err
}
