package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// spareMemory is for the rivals themselves and for what lies in sockets, bytes.
const spareMemory = 512 << 20

// fetchMemory uses bytes of memory once and frees them, so that the run that follows gets
// memory that this machine has. The host of a virtual one takes back what was free for some
// seconds, and the first use of that again takes 3 s a GiB here: as much as the host took
// during the run before, which is chance, or rather the run before's doing. No more than
// half of what is available is used.
func fetchMemory(bytes int64) error {
	var st unix.Sysinfo_t
	if err := unix.Sysinfo(&st); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	bytes = min(bytes+spareMemory, int64(st.Freeram)*int64(st.Unit)/2)
	mem, err := unix.Mmap(-1, 0, int(bytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	// Both are advice: where the kernel knows neither, a run takes what memory it finds.
	_ = unix.Madvise(mem, unix.MADV_HUGEPAGE)
	err = unix.Madvise(mem, unix.MADV_POPULATE_WRITE)
	if errors.Is(err, unix.EINVAL) {
		err = nil
	}
	if err := errors.Join(err, unix.Munmap(mem)); err != nil {
		return fmt.Errorf("memory: %w", err)
	}
	return nil
}
