package transport

import "golang.org/x/sys/unix"

// hugePage is the size of a huge page on amd64 and arm64 (with pages of 4 KiB), bytes.
const hugePage = 2 << 20

func hugePages(n int) ([]byte, error) {
	if n >= hugePage {
		whole := (n + hugePage - 1) / hugePage * hugePage
		if mem, err := unix.Mmap(-1, 0, whole, slabProt, slabFlags|unix.MAP_HUGETLB); err == nil {
			return mem, nil
		}
	}
	return joinedPages(n)
}

func joinedPages(n int) ([]byte, error) {
	mem, err := unix.Mmap(-1, 0, n, slabProt, slabFlags)
	if err == nil && n >= hugePage {
		// Advice only: a kernel without transparent huge pages says EINVAL.
		_ = unix.Madvise(mem, unix.MADV_HUGEPAGE)
	}
	return mem, err
}
