package transport

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"
)

// Slab is page-aligned memory outside of the Go heap: a device may write to it
// behind the collector's back, and the collector lets no garbage pile up to its
// size. It is unmapped when the last holder lets go: the stream, a call in
// progress, a slot in somebody's hands.
type Slab struct {
	mem []byte
	raw []byte // as mapped

	mu   sync.Mutex
	refs int
	lent map[uint32]bool // slots in somebody's hands, by index
}

// NewSlab maps n bytes, held once, in huge pages where the kernel joins some: it
// then faults once for 2 MiB (0.95 of the CPU time of a transfer of 0.4 s over TCP).
func NewSlab(n int) (*Slab, error) { return newSlab(n, joinedPages) }

// NewHugeSlab is NewSlab in huge pages of those set aside, if n fills one and they are
// there: a device then needs one entry in its table for 512.
func NewHugeSlab(n int) (*Slab, error) { return newSlab(n, hugePages) }

// MapSlab maps n bytes of a file that another process may have mapped too, held once.
// Whoever can shorten the file can kill who touches the rest of it: that is for the
// caller to rule out, F_SEAL_SHRINK in fcntl(2).
func MapSlab(fd, n int) (*Slab, error) {
	return newSlab(n, func(n int) ([]byte, error) {
		return unix.Mmap(fd, 0, n, slabProt, unix.MAP_SHARED)
	})
}

func newSlab(n int, pages func(int) ([]byte, error)) (*Slab, error) {
	raw, err := pages(n)
	if err != nil {
		return nil, fmt.Errorf("mmap %d bytes of slots: %w: fewer or smaller slots need less", n, err)
	}
	return &Slab{mem: raw[:n:n], raw: raw, refs: 1, lent: map[uint32]bool{}}, nil
}

const slabProt, slabFlags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_ANON | unix.MAP_PRIVATE

// Bytes is the memory; nil once it is gone.
func (s *Slab) Bytes() []byte { return s.mem }

// Hold takes a reference; false once the memory is gone.
func (s *Slab) Hold() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hold()
}

func (s *Slab) hold() bool {
	if s.refs == 0 {
		return false
	}
	s.refs++
	return true
}

// Drop gives a reference back.
func (s *Slab) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop()
}

func (s *Slab) drop() {
	s.refs--
	if s.refs == 0 {
		// Unmapping memory that Mmap has returned can't fail.
		_ = unix.Munmap(s.raw)
		s.mem, s.raw = nil, nil
	}
}

// Lend marks a slot as being in somebody's hands, which keeps it mapped. Nothing
// happens if it is there already, or the memory is gone.
func (s *Slab) Lend(slot uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.lent[slot] && s.hold() {
		s.lent[slot] = true
	}
}

// Back takes a slot out of somebody's hands; false if it was not there.
func (s *Slab) Back(slot uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	had := s.lent[slot]
	delete(s.lent, slot)
	if had {
		s.drop()
	}
	return had
}
