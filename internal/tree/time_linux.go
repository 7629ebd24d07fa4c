package tree

import (
	"time"

	"golang.org/x/sys/unix"
)

// leaveTime is the time that stays (utimensat(2)).
const leaveTime = unix.UTIME_OMIT

// touchFD sets the modification time of an open file or directory.
func (g *maker) touchFD(fd int, mtime time.Time) {
	ts := unix.Timespec{Sec: mtime.Unix(), Nsec: int64(mtime.Nanosecond())}
	times := []unix.Timespec{{Nsec: leaveTime}, ts}
	g.fail(retry(func() error { return unix.UtimesNanoAt(fd, "", times, unix.AT_EMPTY_PATH) }))
}
