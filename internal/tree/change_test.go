package tree

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// touch makes an empty file.
func touch(p string) error { return os.WriteFile(p, nil, 0o644) }

// replace removes what is there and makes something else.
func replace(p string, with func() error) error {
	if err := os.RemoveAll(p); err != nil {
		return err
	}
	return with()
}

// keepTime does something to a file and gives it its old time back.
func keepTime(p string, do func() error) error {
	st, err := lstatAt(unix.AT_FDCWD, p)
	if err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return touchAt(unix.AT_FDCWD, p, time.Unix(st.Mtim.Sec, st.Mtim.Nsec))
}

// later adds a nanosecond to the time of the entry itself.
func later(p string) error {
	st, err := lstatAt(unix.AT_FDCWD, p)
	if err != nil {
		return err
	}
	return touchAt(unix.AT_FDCWD, p, time.Unix(st.Mtim.Sec, st.Mtim.Nsec+1))
}

// edit opens a file for reading and writing and keeps its time.
func edit(p string, do func(f *os.File) error) error {
	return keepTime(p, func() error {
		f, err := os.OpenFile(p, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		err = do(f)
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		return err
	})
}

// flip changes one byte.
func flip(off int64) func(string) error {
	return func(p string) error {
		return edit(p, func(f *os.File) error {
			b := make([]byte, 1)
			if _, err := f.ReadAt(b, off); err != nil {
				return err
			}
			b[0] ^= 1
			_, err := f.WriteAt(b, off)
			return err
		})
	}
}

// fill writes zeros.
func fill(off, end int64) func(string) error {
	return func(p string) error {
		return edit(p, func(f *os.File) error {
			_, err := f.WriteAt(make([]byte, end-off), off)
			return err
		})
	}
}

// appendByte makes a file one byte longer.
func appendByte(p string) error {
	return edit(p, func(f *os.File) error {
		st, err := f.Stat()
		if err != nil {
			return err
		}
		_, err = f.WriteAt([]byte{0}, st.Size())
		return err
	})
}

// unlink makes a name a file of its own with the same bytes.
func unlink(p string) error {
	return keepTime(p, func() error {
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		return replace(p, func() error { return os.WriteFile(p, data, 0o644) })
	})
}

// linkOver makes b a name of a.
func linkOver(a, b string) error {
	return replace(b, func() error { return os.Link(a, b) })
}
