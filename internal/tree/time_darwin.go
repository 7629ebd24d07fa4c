package tree

import (
	"time"

	"golang.org/x/sys/unix"
)

// leaveTime is the time that stays: UTIME_OMIT of <sys/stat.h>, which x/sys lacks.
const leaveTime = -2

// touchFD sets the modification time of an open file or directory, to the microsecond.
func (g *maker) touchFD(fd int, mtime time.Time) {
	t := unix.NsecToTimeval(mtime.UnixNano())
	g.fail(retry(func() error { return unix.Futimes(fd, []unix.Timeval{t, t}) }))
}
