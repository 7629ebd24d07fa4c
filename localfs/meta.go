package localfs

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// checkTime keeps a peer's number from being UTIME_NOW or UTIME_OMIT.
func checkTime(m *Meta) error {
	if m.MtimeNsec >= 1e9 {
		return fmt.Errorf("mtime of %d ns: %w", m.MtimeNsec, unix.EINVAL)
	}
	return nil
}

// applyMeta gives an open file or directory its metadata. The order matters:
// chown(2) clears special bits; user.* attributes need the write bit, which the
// mode may take away; an ACL is more than the mode says; everything else would move the
// time.
func (s *Sink) applyMeta(fd int, m *Meta, as applied) error {
	if err := checkTime(m); err != nil {
		return err
	}
	owned := s.own(fd, m)
	s.setXattrs(fd, m.Xattrs)
	mode := m.Mode & 0o7777
	if !s.o.ACL {
		mode = withoutACL(mode, m.ACL)
	}
	var err error
	if !as.moded {
		err = s.chmod(fd, mode, as.host, owned)
	}
	if err == nil && !s.setACLs(fd, m, as.dir) {
		s.dropped.acl.Add(1)
		if without := withoutACL(mode, m.ACL); without != mode {
			err = s.chmod(fd, without, as.host, owned)
		}
	}
	if err != nil {
		return fmt.Errorf("set mode: %w", err)
	}
	if err := setMtimeOf(fd, m.MtimeSec, m.MtimeNsec); err != nil {
		return fmt.Errorf("set time: %w", err)
	}
	return nil
}

// applied is what metadata is applied to.
type applied struct {
	host  uint32 // special bits that stay where the client may not set any
	moded bool   // it has its mode already
	dir   bool
}

// own sets owner and group, and says whether they are the ones asked for, or
// none were.
func (s *Sink) own(fd int, m *Meta) bool {
	return s.chown(m, func(uid, gid int) error { return unix.Fchown(fd, uid, gid) })
}

// ownLink sets owner and group of a symbolic link.
func (s *Sink) ownLink(dir int, name string, m *Meta) {
	s.chown(m, func(uid, gid int) error { return unix.Fchownat(dir, name, uid, gid, unix.AT_SYMLINK_NOFOLLOW) })
}

// chmod sets the mode, special bits as far as granted. Without the owner they
// were meant for, setuid and setgid would mean somebody else.
func (s *Sink) chmod(fd int, mode, host uint32, owned bool) error {
	special := mode & 0o7000
	set := mode&0o777 | host
	if s.o.Special {
		set = mode
		if !owned {
			set &^= unix.S_ISUID | unix.S_ISGID
		}
	}
	err := eintr(func() error { return unix.Fchmod(fd, set) })
	if (err == unix.EPERM || err == unix.ENOTSUP) && mayChmod(fd) {
		// A file system without modes, FAT for one: no reason to refuse the bytes.
		s.dropped.special.Add(1)
		return nil
	}
	if special != 0 && (err != nil || !hasBits(fd, special)) {
		s.dropped.special.Add(1)
	}
	return err
}

// mayChmod says whether it can't be for want of privilege that chmod(2) failed.
func mayChmod(fd int) bool {
	var st unix.Stat_t
	return fstat(fd, &st) == nil && (privileged() || int(st.Uid) == os.Geteuid())
}

// hasBits says whether the mode really has the bits: the kernel drops a setgid
// bit that the caller may not set without a word.
func hasBits(fd int, bits uint32) bool {
	var st unix.Stat_t
	return fstat(fd, &st) == nil && modeOf(&st)&bits == bits
}
