package localfs

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Rewind has Next begin anew. Entries that were given out before must not be used any
// more, nor may a call of Next be running.
func (s *Source) Rewind() error {
	for i := range s.stack {
		s.h.stopReading(s.stack[i].node)
		s.h.forget(s.stack[i].node)
	}
	s.stack, s.lastID = nil, 0
	for i := range s.tops {
		if t := &s.tops[i]; t.Contents { // its place in the directory goes with the node
			s.h.forget(t.node)
			t.node = newRootNode(t.node.name, t.node.shown, unix.O_RDONLY)
		}
	}
	s.left = s.tops
	links := newLinkTable(s.links.max, s.o.Logger)
	err := s.links.close()
	s.links = links
	if err != nil {
		return fmt.Errorf("walk again: %w", err)
	}
	return nil
}

// Name is the same for the same arguments on the same host: SHA-256 over the host's
// number (machine-id(5), or its name) and their absolute paths.
func (s *Source) Name() []byte {
	h := sha256.New()
	host, err := os.ReadFile("/etc/machine-id")
	if err != nil || len(host) == 0 {
		name, _ := os.Hostname() // a host without either is told from others by paths alone
		host = []byte(name)
	}
	fmt.Fprintf(h, "%q\n", host)
	for _, t := range s.tops {
		path, err := filepath.Abs(filepath.Join(s.below, t.Arg))
		if err != nil {
			path = t.Arg // the current directory is gone
		}
		fmt.Fprintf(h, "%q %v\n", path, t.Contents)
	}
	return h.Sum(nil)
}
