package localfs

import (
	"io"
	"sync"

	"golang.org/x/sys/unix"
)

// readsDirect: files can be read without the page cache.
const readsDirect = true

// localDisk says of a file system's type (statfs(2)) that local disks have it.
func localDisk(kind int64) bool {
	switch kind {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.OVERLAYFS_SUPER_MAGIC:
		return true
	}
	return false
}

// directAlign suits every device that Linux has a block size for; open(2) asks
// for that of the device, which is 512 or 4096 bytes.
const directAlign = 4096

// directReader reads one file without the page cache, as far as file system and
// alignment allow. What it can't do it says, and the caller reads as ever.
type directReader struct {
	fd   int // of the same file, as the cache sees it
	mode Direct

	once sync.Once
	bare int // with O_DIRECT; -1: not to be had
}

// readAt fills a beginning of p and says how much: all of it, unless it is the
// caller's turn for the rest (errIndirect) or the file has ended. Memory, offset
// and length must be aligned: it ends a little later than asked for if p has the
// room, else a little earlier.
func (d *directReader) readAt(p []byte, off int64) (int, error) {
	end := (len(p) + directAlign - 1) &^ (directAlign - 1)
	if end > cap(p) {
		end = len(p) &^ (directAlign - 1)
	}
	if d.mode == DirectNever || off%directAlign != 0 || end == 0 || d.open() < 0 || d.mode != DirectAlways && d.cached(off) {
		return 0, errIndirect
	}
	room := p[:end]
	for n := 0; n < end; {
		got, err := unix.Pread(d.bare, room[n:], off+int64(n))
		switch {
		case err == unix.EINTR:
			continue
		case err != nil: // EINVAL: memory or offset don't suit the device after all
			return n, errIndirect
		}
		if n += got; n >= len(p) {
			return len(p), nil
		}
		if got == 0 {
			return n, io.ErrUnexpectedEOF
		}
		if got%directAlign != 0 { // the end of the file, or of what can be had this way
			return n, errIndirect
		}
	}
	return end, errIndirect // the unaligned rest
}

// cached says whether the page cache has the byte at off, which stands for the
// range that begins there. Asking has the kernel fetch that page if it hasn't
// (preadv2(2), RWF_NOWAIT), and no more, see open.
func (d *directReader) cached(off int64) bool {
	one := make([]byte, 1)
	n, err := unix.Preadv2(d.fd, [][]byte{one}, off, unix.RWF_NOWAIT)
	return n > 0 || err != nil && err != unix.EAGAIN // a file system that can't say may as well read
}

// open opens the file once more, with O_DIRECT.
func (d *directReader) open() int {
	d.once.Do(func() {
		var fs unix.Statfs_t
		if d.mode == DirectLocal && (unix.Fstatfs(d.fd, &fs) != nil || !localDisk(fs.Type)) {
			d.bare = -1
			return
		}
		var err error
		// The same inode, whatever the name means by now.
		d.bare, err = openAgain(d.fd, unix.O_RDONLY|unix.O_DIRECT)
		if err != nil {
			d.bare = -1 // EINVAL: the file system can't
			return
		}
		// No readahead for what is asked of the cache in passing. It is advice: a
		// refusal costs some needless reading.
		_ = unix.Fadvise(d.fd, 0, 0, unix.FADV_RANDOM)
	})
	return d.bare
}

// close frees what open opened; no readAt is running.
func (d *directReader) close() {
	d.once.Do(func() { d.bare = -1 })
	if d.bare >= 0 {
		closeQuietly(d.bare)
	}
}
