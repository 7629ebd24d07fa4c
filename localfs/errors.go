package localfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

var (
	// ErrChanged: a file is no longer what it was when the walk met it.
	ErrChanged = errors.New("changed while being read")
	// ErrSpecial: not a file, directory or symbolic link; not copied.
	ErrSpecial = errors.New("skipped")
	// ErrLoop: a directory reached through symbolic links contains itself.
	ErrLoop = errors.New("directory contains itself")
	// ErrCollision: two names of one session are the same name to the target's
	// file system, which ignores case.
	ErrCollision = errors.New("names fall together")
	// ErrUsage: what was asked for makes no sense; trying again won't help.
	ErrUsage = errors.New("usage error")
	// ErrInUse: another transfer is writing the same file now.
	ErrInUse = errors.New("another transfer is writing it")
	// ErrUnsafe: what an earlier session should have left is not as it left it.
	ErrUnsafe = errors.New("not ours, or changed by others")
	// ErrName: not one component of a path, 1 to 255 bytes.
	ErrName = errors.New("not a file name")
)

// errDirectory: a file can't take a directory's place.
var errDirectory = fmt.Errorf("directory where a file belongs: %w", unix.EISDIR)

// usageError is an ErrUsage whose text stands for itself.
type usageError string

func (e usageError) Error() string { return string(e) }
func (e usageError) Unwrap() error { return ErrUsage }

func usagef(format string, args ...any) error { return usageError(fmt.Sprintf(format, args...)) }

// Fatal says whether an error of a Sink would meet every further file too: no
// space, no quota, a read-only file system, a broken device.
func Fatal(err error) bool {
	for _, no := range []error{unix.ENOSPC, unix.EDQUOT, unix.EROFS, unix.EIO} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// maxName is NAME_MAX of Linux, bytes.
const maxName = 255

// checkName keeps names from meaning anything but one entry of a directory.
func checkName(name string) error {
	bad := name == "" || name == "." || name == ".." || len(name) > maxName
	for i := 0; i < len(name) && !bad; i++ {
		bad = name[i] == '/' || name[i] == 0
	}
	if bad {
		return fmt.Errorf("%w: %.300q", ErrName, name)
	}
	return nil
}
