package verbs

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// hugePage is the size of a huge page on amd64 and arm64 (with pages of 4 KiB), bytes.
const hugePage = 2 << 20

// slab is mapped memory outside the Go heap, in huge pages where there are some:
// a device then needs one entry in its table for 512. It is unmapped when the last
// holder lets go: the stream, and each slot in somebody's hands. Its registration
// ends with the stream.
type slab struct {
	mem []byte
	raw []byte // as mapped

	mu   sync.Mutex
	refs int
}

func newSlab(n int) (*slab, error) {
	raw, err := mapPages(n)
	if err != nil {
		return nil, fmt.Errorf("mmap %d bytes of slots: %w: fewer or smaller slots need less", n, err)
	}
	return &slab{mem: raw[:n:n], raw: raw, refs: 1}, nil
}

// mapPages maps n bytes: of the huge pages set aside if n fills one, else of
// ordinary ones, which the kernel may join to huge ones.
func mapPages(n int) ([]byte, error) {
	const prot, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_ANON | unix.MAP_PRIVATE
	if n >= hugePage {
		whole := (n + hugePage - 1) / hugePage * hugePage
		if mem, err := unix.Mmap(-1, 0, whole, prot, flags|unix.MAP_HUGETLB); err == nil {
			return mem, nil
		}
	}
	mem, err := unix.Mmap(-1, 0, n, prot, flags)
	if err != nil {
		return nil, err
	}
	// Advice only: a kernel without transparent huge pages says EINVAL.
	_ = unix.Madvise(mem, unix.MADV_HUGEPAGE)
	return mem, nil
}

// hold takes a reference; false once the memory is gone.
func (s *slab) hold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refs == 0 {
		return false
	}
	s.refs++
	return true
}

// drop gives a reference back.
func (s *slab) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refs--
	if s.refs == 0 {
		// Unmapping memory that Mmap has returned can't fail.
		_ = unix.Munmap(s.raw)
		s.mem, s.raw = nil, nil
	}
}
