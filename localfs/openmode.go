package localfs

import "golang.org/x/sys/unix"

// openMode is the mode to make a file with that nobody can reach before it has its name:
// its own, so that it need not be set later (the Go toolchain takes 0.96 of the time,
// bench/results). Attributes need the write bit, special bits are set last.
func (m *Meta) openMode() uint32 {
	if m.Mode&^0o777 != 0 || len(m.Xattrs)+len(m.ACL) > 0 {
		return 0o600
	}
	return m.Mode
}

// What Dir.opens remembers beside a mode.
const (
	opensKnown = 1 << 16
	opensGood  = 1 << 17 // files get the mode they are made with
)

// opensWith says whether a file that was just made in the directory with a mode has it:
// umask(2), a default ACL or the file system may want another. What was true of the last
// file with that mode is true of this one.
func (d *Dir) opensWith(fd int, mode uint32) bool {
	if known := d.opens.Load(); known&^opensGood == mode|opensKnown {
		return known&opensGood != 0
	}
	var st unix.Stat_t
	if fstat(fd, &st) != nil {
		return false
	}
	known := mode | opensKnown
	if modeOf(&st)&0o7777 == mode {
		known |= opensGood
	}
	d.opens.Store(known)
	return known&opensGood != 0
}
