package localfs

import (
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// setMtimeOf is setMtime of an open file, to the nanosecond (fsetattrlist(2)), which x/sys has
// no call for: futimes(2) has microseconds.
func setMtimeOf(fd int, sec int64, nsec uint32) error {
	list := unix.Attrlist{Bitmapcount: unix.ATTR_BIT_MAP_COUNT, Commonattr: unix.ATTR_CMN_MODTIME}
	ts := unix.Timespec{Sec: sec, Nsec: int64(nsec)}
	return eintr(func() error {
		_, _, errno := unix.Syscall6(unix.SYS_FSETATTRLIST, uintptr(fd), uintptr(unsafe.Pointer(&list)),
			uintptr(unsafe.Pointer(&ts)), unsafe.Sizeof(ts), 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
}

// pathOf is the path of what fd refers to, as it is now (F_GETPATH in fcntl(2)).
func pathOf(fd int) (string, error) {
	var buf [unix.PathMax]byte
	_, _, errno := unix.Syscall(unix.SYS_FCNTL, uintptr(fd), unix.F_GETPATH, uintptr(unsafe.Pointer(&buf)))
	if errno != 0 {
		return "", errno
	}
	path, _, _ := strings.Cut(string(buf[:]), "\x00")
	return path, nil
}
