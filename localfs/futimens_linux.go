package localfs

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// setMtimeOf is setMtime of an open file. Without a path there is none for the
// kernel to walk, as there is with AT_EMPTY_PATH: utimensat(2), "C library/kernel
// differences".
func setMtimeOf(fd int, sec int64, nsec uint32) error {
	ts := mtimeOnly(sec, nsec)
	return eintr(func() error {
		_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&ts)), 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
}
