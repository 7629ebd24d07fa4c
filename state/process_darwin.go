package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// thisBoot tells this start of the host from all others.
func thisBoot() (string, error) { return unix.Sysctl("kern.bootsessionuuid") }

// self names this process.
func self() (process, error) {
	p := process{PID: os.Getpid()}
	var err error
	p.Started, _, err = stat(p.PID)
	return p, err
}

// stat is when a process was started, and its state: Z is one that has ended.
func stat(pid int) (started uint64, state string, err error) {
	const zombie = 5 // SZOMB of <sys/proc.h>
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	switch {
	case errors.Is(err, unix.EIO): // x/sys: nothing was said of it
		return 0, "", fmt.Errorf("process %d: %w", pid, fs.ErrNotExist)
	case err != nil:
		return 0, "", fmt.Errorf("process %d: %w", pid, err)
	}
	if info.Proc.P_stat == zombie {
		state = "Z"
	}
	t := info.Proc.P_starttime
	return uint64(t.Sec)*1e6 + uint64(t.Usec), state, nil
}

// syncFS has file systems write what they hold, and the disk of a directory's what it was given.
// An *fs.PathError says that the directory could not be opened.
func syncFS(path string) error {
	return syncBy(path, func(fd int) error {
		err := unix.Sync()
		if err == nil {
			_, err = unix.FcntlInt(uintptr(fd), unix.F_FULLFSYNC, 0)
		}
		return err
	})
}
