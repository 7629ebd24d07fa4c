package tcp

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// slab is page-aligned memory outside the Go heap, so that slots don't make the
// collector let garbage pile up to their size. It is unmapped when the last
// holder lets go: the stream, a call in progress, a slot in somebody's hands.
type slab struct {
	mem []byte

	mu   sync.Mutex
	refs int
}

func newSlab(n int) (*slab, error) {
	mem, err := unix.Mmap(-1, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("mmap %d bytes of slots: %w", n, err)
	}
	return &slab{mem: mem, refs: 1}, nil
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
		_ = unix.Munmap(s.mem)
		s.mem = nil
	}
}
