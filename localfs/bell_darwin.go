package localfs

import (
	"fmt"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// pipeBell rings for somebody who waits in poll(2), as an eventfd of Linux does.
type pipeBell struct {
	mu       sync.Mutex
	fd, ring int // -1: closed
}

// bell makes one, and what rings it, which may come late.
func bell() (*pipeBell, func(), error) {
	ends, err := openPair()
	if err != nil {
		return nil, nil, fmt.Errorf("pipe: %w", err)
	}
	b := &pipeBell{fd: ends[0], ring: ends[1]}
	return b, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.ring >= 0 {
			_, _ = unix.Write(b.ring, []byte{1}) // into an empty pipe: there is room
		}
	}, nil
}

// openPair makes a pipe of which no child that is started meanwhile gets a copy.
func openPair() (ends [2]int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err = unix.Pipe(ends[:]); err != nil {
		return ends, err
	}
	for _, fd := range ends {
		unix.CloseOnExec(fd)
	}
	return ends, nil
}

func (b *pipeBell) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	closeQuietly(b.fd)
	closeQuietly(b.ring)
	b.fd, b.ring = -1, -1
}
