package localfs

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// openEntry opens an entry's file. A symbolic link in its place is a change.
func (s *Source) openEntry(e *Entry) (int, error) {
	if e.dir == nil || e.Kind != KindFile {
		return -1, fmt.Errorf("open: entry %d is no file of this source: %w", e.ID, unix.EINVAL)
	}
	dir, err := s.h.acquire(e.dir)
	if err != nil {
		return -1, fmt.Errorf("open: %w", err)
	}
	defer s.h.release(e.dir)
	// Without waiting: a fifo may have come in the file's place.
	flags := unix.O_RDONLY | unix.O_NONBLOCK
	if !s.o.Follow {
		flags |= unix.O_NOFOLLOW
	}
	fd, err := s.h.room(func() (int, error) { return openat(dir, e.Name, flags, 0) })
	switch {
	case err == nil:
		return fd, nil
	case err == unix.ELOOP || err == unix.ENXIO: // a link, a socket
		return -1, fmt.Errorf("open: %w: %w", ErrChanged, err)
	}
	return -1, fmt.Errorf("open: %w", err)
}

// verify compares an open file with the entry.
func verify(fd int, e *Entry) error {
	var st unix.Stat_t
	if err := fstat(fd, &st); err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG || !e.Stamp.is(&st) {
		return ErrChanged
	}
	return nil
}

// ReadFile fills p, as long as e.Size, with the whole file. The file is
// compared with the entry once, after the last byte: equal then, it was equal
// all the time. An earlier look would only cost a system call per file.
func (s *Source) ReadFile(e *Entry, p []byte) error {
	if int64(len(p)) != e.Size {
		return fmt.Errorf("read: %d bytes of room for a file of %d: %w", len(p), e.Size, unix.EINVAL)
	}
	fd, err := s.openEntry(e)
	if err != nil {
		return err
	}
	defer closeQuietly(fd)
	readErr := preadFull(fd, p, 0)
	if err := verify(fd, e); err != nil {
		return err
	}
	return readError(readErr)
}

// readError names a failed read; an early end is a change.
func readError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("read: %w: ends early", ErrChanged)
	}
	return fmt.Errorf("read: %w", err)
}

// Open opens a file for reading ranges. A file that is no longer what the
// entry says Is ErrChanged.
func (s *Source) Open(e *Entry) (SourceFile, error) {
	fd, err := s.openEntry(e)
	if err != nil {
		return nil, err
	}
	if err := verify(fd, e); err != nil {
		closeQuietly(fd)
		return nil, err
	}
	return &sourceFile{fd: fd, e: e, direct: directReader{fd: fd, mode: s.direct()}}, nil
}

// Restat is e as the file is now. No longer a regular file: Is ErrChanged.
func (s *Source) Restat(e *Entry) (*Entry, error) {
	if e.dir == nil {
		return nil, fmt.Errorf("stat: entry %d is not of this source: %w", e.ID, unix.EINVAL)
	}
	dir, err := s.h.acquire(e.dir)
	if err != nil {
		return nil, fmt.Errorf("stat: %w", err)
	}
	defer s.h.release(e.dir)
	st, err := statEntry(dir, e.Name, s.o.Follow)
	if err != nil {
		return nil, fmt.Errorf("stat: %w", err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("no longer a file: %w", ErrChanged)
	}
	now := *e
	if fileID(&st) != (FileID{e.Stamp.Dev, e.Stamp.Ino}) {
		// Another file took the name: the other names of the group are not its names.
		now.Group, now.GroupFirst, now.GroupLast = 0, false, false
	}
	now.Meta = s.meta(&st)
	now.Meta.Xattrs, now.Meta.ACL = e.Meta.Xattrs, e.Meta.ACL
	now.setFile(&st)
	return &now, nil
}

// sourceFile is a SourceFile.
type sourceFile struct {
	fd     int
	e      *Entry
	direct directReader
}

func (f *sourceFile) ReadAt(p []byte, off int64) error {
	if off < 0 || off > f.e.Size || int64(len(p)) > f.e.Size-off {
		return fmt.Errorf("read: %d bytes at %d of a file of %d: %w", len(p), off, f.e.Size, unix.EINVAL)
	}
	n, err := f.direct.readAt(p, off)
	if err == errIndirect {
		err = preadFull(f.fd, p[n:], off+int64(n))
	}
	return readError(err)
}

func (f *sourceFile) NextData(off int64) (start, end int64, err error) {
	return nextData(f.fd, off, f.e.Size)
}

// nextData is SourceFile.NextData of an open file.
func nextData(fd int, off, size int64) (start, end int64, err error) {
	if off < 0 || off >= size {
		return size, size, nil
	}
	// The file's own position is nobody's: reads name their offset.
	start, err = unix.Seek(fd, off, unix.SEEK_DATA)
	switch {
	case err == unix.ENXIO: // only a hole is left
		return size, size, nil
	case err == unix.EINVAL || err == unix.ENOTSUP || err == unix.ENOTTY: // holes are not known here
		return off, size, nil
	case err != nil:
		return 0, 0, fmt.Errorf("seek: %w", err)
	}
	end, err = unix.Seek(fd, start, unix.SEEK_HOLE)
	if err != nil && err != unix.ENXIO {
		return 0, 0, fmt.Errorf("seek: %w", err)
	}
	if err != nil || end > size {
		end = size
	}
	return min(start, size), end, nil
}

func (f *sourceFile) Verify() error { return verify(f.fd, f.e) }

func (f *sourceFile) Close() error {
	f.direct.close()
	return closeFD(f.fd)
}
