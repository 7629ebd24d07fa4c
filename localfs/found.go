package localfs

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func foundOf(st *unix.Stat_t) Found {
	return Found{
		ID: fileID(st), Size: st.Size, MtimeSec: st.Mtim.Sec, MtimeNsec: uint32(st.Mtim.Nsec),
		CtimeSec: st.Ctim.Sec, CtimeNsec: uint32(st.Ctim.Nsec), Dir: st.Mode&unix.S_IFMT == unix.S_IFDIR,
	}
}

// Look says what regular file is there under the name; false: none is, but what is may still
// be a directory. Where this
// session made the directory nothing can be that it did not put there, and nobody looks.
func (s *Sink) Look(p Put) (Found, bool, error) {
	if err := checkEntry(p.Dir, p.Name); err != nil {
		return Found{}, false, s.failed("look", p.Dir, p.Name, err)
	}
	if p.Dir.made {
		return Found{}, false, nil
	}
	var st unix.Stat_t
	err := s.within(p.Dir, p.Name, func(dir int) error { return fstatat(dir, p.Name, &st, unix.AT_SYMLINK_NOFOLLOW) })
	if err == unix.ENOENT {
		return Found{}, false, nil
	}
	if err != nil {
		return Found{}, false, s.failed("look", p.Dir, p.Name, err)
	}
	return foundOf(&st), st.Mode&unix.S_IFMT == unix.S_IFREG, nil
}

// Settle gives a file that is there the metadata of p, without a byte of it, and makes
// it the one of its hard-link group. What has changed meanwhile Is ErrChanged.
func (s *Sink) Settle(p Put, f Found) error {
	err := s.within(p.Dir, p.Name, func(dir int) error {
		if err := checkTime(&p.Meta); err != nil {
			return err
		}
		return p.Dir.enter(dir, p.Name, func() error { return s.settle(dir, &p, f) })
	})
	return s.failed("put", p.Dir, p.Name, err)
}

func (s *Sink) settle(dir int, p *Put, f Found) error {
	var st unix.Stat_t
	if err := fstatat(dir, p.Name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil || foundOf(&st) != f {
		return errOther
	}
	if !s.asIs(&st, &p.Meta) {
		if err := s.remeta(dir, p, f); err != nil {
			return err
		}
	}
	s.keep(p, func(stash int, name string) error {
		err := linkat(dir, p.Name, stash, name, 0)
		// The name may have gone to another file since.
		if err == nil && (fstatat(stash, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || fileID(&st) != f.ID) {
			err = ErrChanged
			_ = unlinkat(stash, name, 0)
		}
		return err
	})
	return nil
}

// asIs says whether a file has the metadata already, as far as stat(2) tells.
func (s *Sink) asIs(st *unix.Stat_t, m *Meta) bool {
	return modeOf(st)&0o7777 == m.Mode && m.Mode < 0o1000 && st.Mtim.Sec == m.MtimeSec && uint32(st.Mtim.Nsec) == m.MtimeNsec &&
		!s.o.Touch && !s.o.Owner && !s.o.Chown.any() && !s.o.Xattr && !s.o.ACL && len(m.Xattrs)+len(m.ACL) == 0 &&
		m.User == "" && m.GroupName == "" && m.UID == 0 && m.GID == 0
}

// remeta gives a file that is there metadata.
func (s *Sink) remeta(dir int, p *Put, f Found) error {
	const flags = unix.O_RDONLY | unix.O_NOFOLLOW | unix.O_NONBLOCK
	open := func() (int, error) { return openat(dir, p.Name, flags, 0) }
	fd, err := s.h.room(open)
	if err == unix.EACCES {
		if err = makeReadable(dir, p.Name, f.ID); err == nil {
			fd, err = s.h.room(open)
		}
	}
	if err != nil {
		return openError(err)
	}
	defer closeQuietly(fd)
	var st unix.Stat_t
	if err := fstat(fd, &st); err != nil {
		return err
	}
	now := foundOf(&st)
	now.CtimeSec, now.CtimeNsec = f.CtimeSec, f.CtimeNsec // makeReadable has moved it
	if now != f {
		return errOther
	}
	if s.o.Xattr && len(p.Meta.Xattrs) > 0 && st.Mode&0o200 == 0 {
		// Attributes need the write bit. Without it they count as dropped.
		_ = eintr(func() error { return unix.Fchmod(fd, modeOf(&st)&0o777|0o600) })
	}
	return s.applyMeta(fd, &p.Meta, applied{})
}

// errOther: the name is another file's by now, or the file was written to.
var errOther = fmt.Errorf("what was there: %w", ErrChanged)

// openError names a failed open of what was a regular file a moment ago.
func openError(err error) error {
	switch err {
	case unix.ENOENT, unix.ELOOP, unix.ENXIO, unix.EISDIR, unix.ENODEV:
		return fmt.Errorf("%w: %w", errOther, err)
	}
	return err
}

// makeReadable lets the owner of a file open it; it gets its mode after that.
func makeReadable(dir int, name string, id FileID) error {
	fd, err := openat(dir, name, pathOnly|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer closeQuietly(fd)
	var st unix.Stat_t
	if err := fstat(fd, &st); err != nil {
		return err
	}
	if fileID(&st) != id || int(st.Uid) != os.Geteuid() {
		return unix.EACCES
	}
	return chmodPath(fd, modeOf(&st)&0o777|0o600)
}

// OpenFound opens for reading what Look found. What has changed meanwhile Is ErrChanged.
func (s *Sink) OpenFound(p Put, f Found) (SourceFile, error) {
	file := &foundFile{f: f}
	err := s.within(p.Dir, p.Name, func(dir int) (err error) {
		file.fd, err = s.h.room(func() (int, error) {
			return openat(dir, p.Name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
		})
		return openError(err)
	})
	if err == nil {
		if err = file.Verify(); err != nil {
			closeQuietly(file.fd)
		}
	}
	if err != nil {
		return nil, s.failed("read", p.Dir, p.Name, err)
	}
	return file, nil
}

// foundFile is a SourceFile on the side of the sink.
type foundFile struct {
	fd int
	f  Found
}

func (f *foundFile) ReadAt(p []byte, off int64) error { return readError(preadFull(f.fd, p, off)) }

func (f *foundFile) NextData(off int64) (start, end int64, err error) {
	return nextData(f.fd, off, f.f.Size)
}

func (f *foundFile) Verify() error {
	var st unix.Stat_t
	if err := fstat(f.fd, &st); err != nil {
		return fmt.Errorf("stat: %w", err)
	}
	if foundOf(&st) != f.f {
		return ErrChanged
	}
	return nil
}

func (f *foundFile) Close() error { return closeFD(f.fd) }
