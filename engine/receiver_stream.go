package engine

import (
	"fmt"
	"syscall"

	"scp_rdma/localfs"
	"scp_rdma/wire"
)

// considerStream is consider for what has no size: it is always wanted.
func (r *receiver) considerStream(f *inFile, there localfs.Found) wire.Answer {
	if !there.Dir {
		return wire.Answer{ID: f.id, Action: wire.ActionNeed}
	}
	// Said at once, and not at the end of a stream that nobody can send again.
	r.totals.failed.Add(1)
	r.forget(f)
	return failed(f.id, fmt.Errorf("put %s: %w", f.put.Name, syscall.EISDIR))
}

// takes holds a chunk against what its file may have.
func (f *inFile) takes(c wire.Chunk) error {
	if !f.stream {
		return inFileBounds(c, f.put.Size)
	}
	end, seals := c.Offset+uint64(c.Length), c.Flags&wire.ChunkSeal != 0
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case c.Flags&wire.ChunkHole != 0 || c.Length == 0 && !seals:
		return fmt.Errorf("chunk of %d bytes, flags %d, of a stream: %w", c.Length, c.Flags, ErrProtocol)
	case c.Offset > wire.MaxStream || end > uint64(f.have.start()+wire.StreamWindow):
		return fmt.Errorf("chunk of %d bytes at %d of a stream of which %d are there: %w", c.Length, c.Offset, f.have.start(), ErrProtocol)
	case f.sealed && (int64(end) > f.size || seals && int64(end) != f.size):
		return fmt.Errorf("chunk of %d bytes at %d of a stream that ends at %d: %w", c.Length, c.Offset, f.size, ErrProtocol)
	}
	return nil
}

// whole says whether all of the file is there, and as its source has it. f.mu is held.
func (f *inFile) whole() bool {
	size := f.put.Size
	if f.stream {
		size = f.size
	}
	return f.sealed && f.have.covers(size)
}

// length is the size of a file that is whole.
func (f *inFile) length() int64 {
	if !f.stream {
		return f.put.Size
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.size
}
