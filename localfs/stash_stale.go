package localfs

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// staleBlocks is how much of the target's directory is looked through for the stashes of
// sessions that were killed, in blocks of direntBuf: some 60,000 names, 16 ms. In a larger
// one they are left to Clean.
const staleBlocks = 256

// dropStale removes the stashes that killed sessions have left in the base directory:
// nobody has locked them.
func dropStale(base int) {
	dir, err := openat(base, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return // it can be written to but not read
	}
	defer closeQuietly(dir)
	buf := make([]byte, direntBuf)
	for range staleBlocks {
		n, err := eintrInt(func() (int, error) { return unix.ReadDirent(dir, buf) })
		if err != nil || n == 0 {
			return
		}
		_, _, names := unix.ParseDirent(buf[:n], -1, nil)
		for _, name := range names {
			if temporary(name) && strings.HasSuffix(name, "."+stashName) {
				dropStash(base, name)
			}
		}
	}
}

// dropStash removes one that is ours and nobody's.
func dropStash(base int, name string) {
	fd, err := openat(base, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	var st unix.Stat_t
	// One that was made just now may not be locked yet.
	if fstat(fd, &st) != nil || int(st.Uid) != os.Geteuid() || time.Since(time.Unix(st.Ctim.Unix())) < orphanAge || tryLock(fd) != nil {
		closeQuietly(fd)
		return
	}
	// What can't be removed stays for Clean.
	_ = (&stash{base: base, fd: fd, name: name}).remove()
}
